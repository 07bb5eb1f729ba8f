package host

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/smart-ai-router/smartrouter/sdk"
	"github.com/smart-ai-router/smartrouter/sdk/lane"
)

// Process is what a plugin's process is given besides its command line.
type Process struct {
	// SocketDir is a private folder for the plugin's socket, and for nothing
	// that outlives the process.
	SocketDir string
	// Lifeline is the read end of a pipe whose write end only the host holds;
	// nil: the plugin does not notice the host's death.
	Lifeline *os.File
	// LogLevel is that of [sdk.EnvLogLevel]; empty: warn.
	LogLevel string
}

// ClientConfig is the go-plugin configuration for starting cmd as a plugin: in
// a process group of its own, with no environment but cmd.Env and what the
// handshake needs. The caller adds Logger, Stderr, StartTimeout and the like.
func ClientConfig(cmd *exec.Cmd, p Process) *plugin.ClientConfig {
	cmd.Env = append(cmd.Env, plugin.EnvUnixSocketDir+"="+p.SocketDir)
	if p.LogLevel != "" {
		cmd.Env = append(cmd.Env, sdk.EnvLogLevel+"="+p.LogLevel)
	}
	if p.Lifeline != nil {
		cmd.ExtraFiles = append(cmd.ExtraFiles, p.Lifeline)
		cmd.Env = append(cmd.Env, sdk.EnvLifeline+"="+strconv.Itoa(firstExtraFile+len(cmd.ExtraFiles)-1))
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	return &plugin.ClientConfig{
		HandshakeConfig:  Handshake,
		VersionedPlugins: Versions(),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		Cmd:              cmd,
		SkipHostEnv:      true,
		GRPCDialOptions:  DialOptions(),
	}
}

const firstExtraFile = 3 // after stdin, stdout and stderr

// Handshake is what makes a process a plugin of ours.
var Handshake = plugin.HandshakeConfig{MagicCookieKey: sdk.CookieKey, MagicCookieValue: sdk.CookieValue}

// Versions are the protocol versions that the host speaks: this one and the one
// before, so that a plugin need not be built anew on the day of an upgrade.
func Versions() map[int]plugin.PluginSet {
	versions := make(map[int]plugin.PluginSet)
	for v := sdk.OldestProtocolVersion; v <= sdk.ProtocolVersion; v++ {
		versions[v] = plugin.PluginSet{connName: connPlugin{}}
	}
	return versions
}

// Link is the connection to a plugin's process.
type Link struct {
	Conn *grpc.ClientConn
	// Protocol is the version that both sides agreed upon.
	Protocol int
	// Unary leaves the plugin's lane unused, as if it had none.
	Unary bool
}

// Inherited are the only variables of the host's environment that plugins get.
// None holds a secret; a program needs them to find its interpreter, its time
// zone and the certificates of a company.
var Inherited = []string{"PATH", "LANG", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR"}

// DialOptions bound messages and keep gRPC from measuring the bandwidth of a
// unix socket.
func DialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(sdk.MaxMessageBytes),
			grpc.MaxCallSendMsgSize(sdk.MaxMessageBytes),
		),
		grpc.WithTransportCredentials(lane.Credentials()),
		grpc.WithInitialWindowSize(1 << 20),
		grpc.WithInitialConnWindowSize(4 << 20),
	}
}

// Dial starts the client's process, where it does not run yet, and answers the
// link to it, for [Connect].
func Dial(client *plugin.Client) (Link, error) {
	c, err := client.Client()
	// go-plugin has no type for this error.
	if err != nil && strings.Contains(err.Error(), "incompatible API version") {
		return Link{}, fmt.Errorf("the plugin speaks another version of the plugin protocol than the router, which speaks %d and %d; "+
			"build it with the router's version of the SDK: %w", sdk.OldestProtocolVersion, sdk.ProtocolVersion, err)
	}
	if err != nil {
		return Link{}, err
	}
	conn, err := c.Dispense(connName)
	if err != nil {
		return Link{}, err
	}
	return Link{Conn: conn.(*grpc.ClientConn), Protocol: client.NegotiatedVersion()}, nil
}

const connName = "conn"

// connPlugin dispenses the connection as it is.
type connPlugin struct {
	plugin.NetRPCUnsupportedPlugin
}

// GRPCServer is part of plugin.GRPCPlugin, and the plugin's business.
func (connPlugin) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return fmt.Errorf("host: a plugin is served by sdk.Serve")
}

// GRPCClient is part of plugin.GRPCPlugin.
func (connPlugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return c, nil
}
