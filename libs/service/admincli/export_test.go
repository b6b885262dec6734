package admincli

// Row is one command of the table, for tests.
type Row struct {
	Command, Method, Path string
	StepUp                bool
	Body, Required, Query []string
}

// Table lists the commands with what they send.
func Table() []Row {
	var rows []Row
	for _, r := range resources() {
		for _, o := range r.operations {
			row := Row{Command: r.name + " " + o.verb, Method: o.method, Path: o.path, StepUp: o.stepUp}
			for _, f := range o.fields {
				members := []string{f.member}
				if f.kind == kindSubject {
					members = []string{"subject_kind", "subject_id"}
				}
				switch {
				case f.query:
					row.Query = append(row.Query, members...)
				default:
					row.Body = append(row.Body, members...)
					if f.required {
						row.Required = append(row.Required, members...)
					}
				}
			}
			rows = append(rows, row)
		}
	}
	return rows
}
