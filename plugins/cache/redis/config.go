package redis

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// config is the config block.
type config struct {
	URL               string        `config:"url,required" doc:"redis://user:password@host:6379/0, rediss:// for TLS, or unix:///path/to/socket; best by env()"`
	KeyPrefix         string        `config:"key_prefix" doc:"what all keys in Redis begin with, in braces; routers that share have the same"`
	CAFile            string        `config:"ca_file" doc:"certificates (PEM) that a rediss:// server's is checked by, in place of the system's"`
	ConnectTimeout    time.Duration `config:"connect_timeout" doc:"how long one try to connect may take" min:"1ms"`
	CallTimeout       time.Duration `config:"call_timeout" doc:"how long Redis may take for an answer" min:"1ms"`
	MaxReconnectPause time.Duration `config:"max_reconnect_pause" doc:"the longest pause between two tries to connect; the first is short, and each twice the one before" min:"1ms"`
	SweepInterval     time.Duration `config:"sweep_interval" doc:"how often expired entries leave the lists, and hits and misses are written" min:"1ms"`
}

func defaults() config {
	return config{
		KeyPrefix:         "smartrouter",
		ConnectTimeout:    time.Second,
		CallTimeout:       time.Second,
		MaxReconnectPause: time.Second,
		SweepInterval:     time.Minute,
	}
}

var prefixes = regexp.MustCompile(`^[^{}\s]+$`)

// Validate checks what can be checked without connecting.
func (c *config) Validate() error {
	var errs []error
	if _, err := c.option(); err != nil {
		errs = append(errs, err)
	}
	if !prefixes.MatchString(c.KeyPrefix) {
		errs = append(errs, sdk.ConfigError{Path: "key_prefix", Message: "must be text without braces and spaces"})
	}
	return errors.Join(errs...)
}

// notURL is what is said of a bad url, whatever is wrong with it: any part of
// it could be one of the password.
var notURL = sdk.ConfigError{Path: "url", Message: "is no URL such as redis://user:password@host:6379/0, rediss://host:6380 or unix:///path/to/socket; " +
	`in a user or password, write "/" as %2F, "#" as %23, "?" as %3F, "@" as %40 and "%" as %25`}

// option is what rueidis connects with.
func (c *config) option() (rueidis.ClientOption, error) {
	option, err := rueidis.ParseURL(c.URL)
	if err != nil {
		return option, notURL
	}
	// Behind a stray sign a part of the password would be taken for the host.
	u, err := url.Parse(c.URL)
	if err != nil || strings.Contains(c.URL, "#") || strings.Contains(u.Path+u.RawQuery, "@") || u.Scheme == "unix" && len(u.Path) < 2 {
		return option, notURL
	}
	if c.CAFile != "" {
		if option.TLSConfig == nil {
			return option, sdk.ConfigError{Path: "ca_file", Message: "is for rediss:// only"}
		}
		if option.TLSConfig, err = trusting(option.TLSConfig, c.CAFile); err != nil {
			return option, sdk.ConfigError{Path: "ca_file", Message: err.Error()}
		}
	}
	option.Dialer.Timeout = c.ConnectTimeout
	option.ConnWriteTimeout = c.CallTimeout
	option.ClientName = "smartrouter"
	option.DisableCache = true // the core has an index of its own
	option.DisableRetry = true // who asks has a deadline, and a way without Redis
	// A call that gives up leaves the connection to the others.
	option.AlwaysPipelining = true
	option.PipelineMultiplex = -1 // one connection
	option.RingScaleEachConn = 8
	option.ReadBufferEachConn, option.WriteBufferEachConn = 64<<10, 64<<10
	return option, nil
}

func trusting(t *tls.Config, file string) (*tls.Config, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	t.RootCAs = x509.NewCertPool()
	if !t.RootCAs.AppendCertsFromPEM(pem) {
		return nil, errors.New(file + " has no certificate in PEM")
	}
	return t, nil
}
