// Package bench measures linli through its ports beside a bare handler.
package bench
