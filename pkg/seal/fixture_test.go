package seal_test

// What a build of the first release made with master key {1, 2, 3}.
const (
	fixtureWrapped = "014b6b7fcc39c08c94d8694cb4f4c24ae204c9a3c54b1a313c28e2fe3fb96cc2ca9c05a7bc2d4f65cc9ba0a7d12d63951237c5abd779a6d72d26971f4a"
	fixtureField   = "01ca7b5f2a056c83ec8309a5dc862e8cf2b68ee5c5acc6890998871fe729d1f8778a6cec97b8dbf8"
	fixtureBox     = "0189cdd1525d34b2f831ae5551ffc93bce7f03bfbefe750f0752b9dfe0ccfe565946"
	fixtureBlind   = "12ba3e1b4e4efbf89635d0041174372a"
	fixtureDigest  = "55d3704c6875113a48f3393849f79e82816131381a1ffb295b930076807171ba"
)
