package upstream

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"
)

// guard says which addresses a configured host may stand for. It is asked for
// every address that is dialled, after its name was looked up, so that who
// answers for a name cannot make the router talk to its own network.
//
//   - An address that stands in the configuration is what the operator wants:
//     nothing is refused.
//   - A name never stands for a link-local, multicast or unspecified address, or
//     for one where clouds serve credentials to whoever asks.
//   - "localhost" stands for loopback only.
//   - With TLS a name may stand for any other address: who cannot show its
//     certificate gets no byte of a request.
//   - Without TLS a public name, one with a dot that is not reserved for private
//     use, stands for public addresses only. Names such as "vllm" or
//     "llm.internal", as containers and offices have them, may stand for
//     private ones.
type guard struct {
	host  string // lower case
	plain bool   // no TLS
}

// control is net.Dialer's hook.
func (g guard) control(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %q: %w", address, err)
	}
	return g.check(ap.Addr())
}

func (g guard) check(a netip.Addr) error {
	a = a.Unmap().WithZone("")
	if _, err := netip.ParseAddr(strings.Trim(g.host, "[]")); err == nil {
		return nil
	}
	switch {
	case a.IsUnspecified(), a.IsMulticast(), a.IsLinkLocalUnicast(), credentialServices[a], a == broadcast:
		return fmt.Errorf("%q stands for %s, which a name may not; write the address if it is meant", g.host, a)
	case g.host == "localhost" || strings.HasSuffix(g.host, ".localhost"):
		if !a.IsLoopback() {
			return fmt.Errorf("%q stands for %s, which is another machine", g.host, a)
		}
	case g.plain && publicName(g.host) && !public(a):
		return fmt.Errorf("%q stands for the private address %s; use https, or write the address", g.host, a)
	}
	return nil
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// credentialServices are those that are not link-local: Amazon's by IPv6,
// Alibaba's, Azure's and Oracle's.
var credentialServices = map[netip.Addr]bool{
	netip.MustParseAddr("fd00:ec2::254"):   true,
	netip.MustParseAddr("100.100.100.200"): true,
	netip.MustParseAddr("168.63.129.16"):   true,
	netip.MustParseAddr("192.0.0.192"):     true,
}

// carrier is what carriers and overlay networks use inside (RFC 6598).
var carrier = netip.MustParsePrefix("100.64.0.0/10")

func public(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.IsPrivate() && !a.IsLoopback() && !carrier.Contains(a)
}

// privateSuffixes end names that no public registry gives out (RFC 6761, RFC
// 6762, RFC 8375, ICANN's "internal"), and those that offices use nevertheless.
var privateSuffixes = [...]string{".local", ".internal", ".home.arpa", ".test", ".lan", ".intranet", ".private", ".corp", ".home"}

func publicName(host string) bool {
	host = strings.TrimSuffix(host, ".")
	if !strings.Contains(host, ".") {
		return false
	}
	for _, s := range privateSuffixes {
		if strings.HasSuffix(host, s) {
			return false
		}
	}
	return true
}
