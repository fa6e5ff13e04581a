package session

import "time"

// ProviderHolds is how long somebody may take to sign in at the identity
// provider and come back.
const ProviderHolds = 10 * time.Minute
