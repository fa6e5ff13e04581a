package registry

// auditAnnouncements are the heads of the audit logs of all services.
func auditAnnouncements() (out []announcement) {
	for _, service := range []string{"registry", "requests", "projects", "evaluation"} {
		out = append(out, announcement{subject: service + ".audit_head.signed", nobody: "another service keeps it as a witness"})
	}
	return out
}
