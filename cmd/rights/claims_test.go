package rights_test

// claimSteps leave a claim of a member of the workplace, one of a member of the
// community's own, and one of a resident.
func claimSteps() []step {
	return []step{
		{"m1", "POST", "/v1/me/corrections", `{"fact":"MEMBER_FACT_UNIT","value":"1单元302"}`, []string{"claims=id"}},
		{"m5", "POST", "/v1/me/corrections", `{"fact":"MEMBER_FACT_UNIT","value":"2单元401"}`, []string{"homeClaims=id"}},
		{"li", "POST", "/v1/me/erasure", `{}`, []string{"residentClaims=id"}},
	}
}
