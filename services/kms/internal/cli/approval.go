package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// approval is the command that holds those about what a quorum must agree to.
func (c *commands) approval() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "approval",
		Short: "Ask a key's quorum for approval, and give it",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(
		c.approvalRequest(), c.approvalList(),
		c.approvalMove(&cobra.Command{
			Use:     "get ID",
			Short:   "Show a request for approval",
			Example: "  kms-server approval get 019a4d2e-6c01-7a3b-9f10-3c5d7e9fab01",
		}, c.administer, (*client.KMS).GetApproval),
		c.approvalMove(&cobra.Command{
			Use:   "approve ID",
			Short: "Approve a request",
			Long: `Approve says yes to a request, as one of its approvers: a person who has just logged in,
and whose session token is the credential in the context file. In the browser it is done
without that.`,
			Example: "  kms-server approval approve 019a4d2e-6c01-7a3b-9f10-3c5d7e9fab01",
		}, c.connect, (*client.KMS).Approve),
		c.approvalMove(&cobra.Command{
			Use:     "reject ID",
			Short:   "Reject a request, which ends it",
			Long:    `Reject says no to a request, as one of its approvers; see "approval approve".`,
			Example: "  kms-server approval reject 019a4d2e-6c01-7a3b-9f10-3c5d7e9fab01",
		}, c.connect, (*client.KMS).Reject),
		c.approvalMove(&cobra.Command{
			Use:     "cancel ID",
			Short:   "Take a request of your own back",
			Example: "  kms-server approval cancel 019a4d2e-6c01-7a3b-9f10-3c5d7e9fab01",
		}, c.administer, (*client.KMS).CancelApproval),
	)
	return cmd
}

func (c *commands) approvalRequest() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "request OPERATION NAME|ID --reason TEXT",
		Short: "Ask a key's quorum for approval and print the request's id",
		Long: `Request asks the quorum in a key's policy to approve one operation on it, and prints the
id of the request. When enough have approved, whoever asked does it, once:

  deleteElasticKey     key delete --now --approval ID
  destroyMaterialKey   key version destroy --now --approval ID, of --version
  exportElasticKey     key export --approval ID, of --version and --recipient
  backupElasticKey     backup key --approval ID, of one or more --recipient
  updateElasticKey     key update --approval ID, of --parameters '{"quorum":null}'

--version and --recipient stand for the parameters that these operations have; --parameters
gives others. Requests are made with the client certificate in the context file, if it has one.`,
		Example: `  kms-server approval request deleteElasticKey payroll --reason "the customer has left"
  kms-server approval request destroyMaterialKey payroll --version 3 --reason "not needed"
  kms-server approval request exportElasticKey payroll --version 1 --recipient bob.pem \
    --reason "bob leaves"`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 { //nolint:mnd // the two that the text names
				return cli.Usage("name the operation and the key: %s OPERATION NAME|ID", cmd.CommandPath())
			}
			return nil
		},
	}
	reason := cmd.Flags().String("reason", "", "why, for the approvers and the audit trail")
	parameters := cmd.Flags().String("parameters", "", "JSON object of what else settles what happens")
	var subject approvalSubject
	cmd.Flags().Int64Var(&subject.version, "version", 0, "version of the key that the operation is about")
	cmd.Flags().StringArrayVar(&subject.recipients, "recipient", nil, "file with the public key of a recipient; may be given many times")
	format := addOutputFlag(cmd)
	clientcli.Require(cmd, "reason")
	cmd.MarkFlagsMutuallyExclusive("parameters", "version")
	cmd.MarkFlagsMutuallyExclusive("parameters", "recipient")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := clientcli.OneOf("output", *format, outputTable, outputJSON); err != nil {
			return err
		}
		ask := client.NewApproval{Operation: args[0], Resource: args[1], Reason: *reason}
		if *parameters != "" {
			var object map[string]any
			if err := json.Unmarshal([]byte(*parameters), &object); err != nil || object == nil {
				return cli.Usage(`--parameters is no JSON object, such as '{"version":"3"}'`)
			}
			ask.Parameters = json.RawMessage(*parameters)
		}
		if subject.version != 0 || len(subject.recipients) > 0 {
			text, err := subject.parameters(cmd, ask.Operation)
			if err != nil {
				return err
			}
			ask.Parameters = text
		}
		return c.callFresh(cmd, func(kms *client.KMS) error {
			request, err := kms.RequestApproval(cmd.Context(), ask)
			if err != nil {
				return err
			}
			if *format == outputJSON {
				return cli.WriteJSON(cmd.OutOrStdout(), request)
			}
			return cli.WriteLine(cmd.OutOrStdout(), request.ID)
		})
	}
	return cmd
}

func (c *commands) approvalList() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the requests that you made or may approve",
		Example: "  kms-server approval list --state pending",
		Args:    cobra.NoArgs,
	}
	states := []string{"pending", "approved", "used", "rejected", "cancelled", "expired"}
	state := cmd.Flags().String("state", "", "only requests in this state, such as pending")
	limit := cmd.Flags().Int("limit", 0, "show at most so many (default all)")
	format := addOutputFlag(cmd)
	clientcli.Complete(cmd, "state", states...)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkList(*format, *limit); err != nil {
			return err
		}
		if *state != "" {
			if err := clientcli.OneOf("state", *state, states...); err != nil {
				return err
			}
		}
		return c.callFresh(cmd, func(kms *client.KMS) error {
			requests, err := clientcli.Collect(kms.ListApprovals(cmd.Context(), *state), *limit)
			if err != nil {
				return err
			}
			if *format == outputJSON {
				return cli.WriteJSON(cmd.OutOrStdout(), client.ApprovalRequestPage{Items: requests})
			}
			rows := [][]string{{"ID", "OPERATION", "KEY", "STATE", "APPROVALS", "EXPIRES", "REASON"}}
			for _, r := range requests {
				rows = append(rows, []string{r.ID, r.Operation, r.Resource.Ref, r.State, votesText(r), r.ExpiresAt, r.Reason})
			}
			return cli.WriteTable(cmd.OutOrStdout(), rows)
		})
	}
	return cmd
}

// approvalMove completes a command about one request.
func (c *commands) approvalMove(
	cmd *cobra.Command, connect Connect, to func(*client.KMS, context.Context, string) (*client.ApprovalRequest, error),
) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return cli.Usage("name one request by its id, which approval list shows: %s ID", cmd.CommandPath())
		}
		return nil
	}
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := clientcli.OneOf("output", *format, outputTable, outputJSON); err != nil {
			return err
		}
		return with(connect, cmd, func(kms *client.KMS) error {
			r, err := to(kms, cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if *format == outputJSON {
				return cli.WriteJSON(cmd.OutOrStdout(), r)
			}
			rows := [][]string{
				{"ID", r.ID},
				{"Operation", r.Operation},
				{"Key", r.Resource.Ref},
				{"Parameters", string(r.Parameters)},
				{"Reason", r.Reason},
				{"Requested by", r.RequestedBy.Kind + " " + r.RequestedBy.Ref},
				{"State", r.State},
				{"Approvals", votesText(*r)},
				{"Expires", r.ExpiresAt},
			}
			for _, approver := range r.Approvers {
				vote := "nothing yet"
				if approver.Vote != "" {
					vote = approver.Vote + " " + approver.VotedAt
				}
				rows = append(rows, []string{"Approver " + approver.Ref, vote})
			}
			return cli.WriteTable(cmd.OutOrStdout(), rows)
		})
	}
	return cmd
}

func votesText(r client.ApprovalRequest) string {
	return fmt.Sprintf("%d of %d", r.Approvals, r.ApprovalsNeeded)
}

// early is how something ends without a wait.
type early struct {
	now      bool
	approval string
}

// addEarly gives a command the flags of an end before its time.
func addEarly(cmd *cobra.Command) *early {
	e := new(early)
	cmd.Flags().BoolVar(&e.now, "now", false, "end at once what waits for its end; takes --approval")
	cmd.Flags().StringVar(&e.approval, "approval", "", "id of the approved request, which approval request made")
	cmd.MarkFlagsRequiredTogether("now", "approval")
	for _, other := range []string{"wait-days", "dry-run"} {
		cmd.MarkFlagsMutuallyExclusive("now", other)
	}
	return e
}
