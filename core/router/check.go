package router

import (
	"context"
	"errors"
	"os"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/smart-ai-router/smartrouter/core/catalog"
	"github.com/smart-ai-router/smartrouter/core/config"
	"github.com/smart-ai-router/smartrouter/sdk"
)

// Check starts the configured plugins in a folder of their own, has them check
// their config blocks, and stops them.
func Check(ctx context.Context, cfg *config.Config, self []string, log hclog.Logger) error {
	return aside(ctx, self, log, func(c *catalog.Catalog) error { return c.Check(ctx, cfg.Plugins) })
}

// Describe asks plugins what they are, beside a router that may run. It answers
// in the order of plugins, with an error for each that could not be asked.
func Describe(ctx context.Context, plugins []*config.Plugin, self []string, log hclog.Logger) (manifests []sdk.Manifest, errs []error, err error) {
	err = aside(ctx, self, log, func(c *catalog.Catalog) error {
		manifests, errs = c.Describe(ctx, plugins)
		return nil
	})
	return manifests, errs, err
}

// aside runs plugins in a folder that is gone after.
func aside(ctx context.Context, self []string, log hclog.Logger, do func(*catalog.Catalog) error) error {
	dir, err := os.MkdirTemp("", "smartrouter-check-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c, err := catalog.New(catalog.Options{
		Log: log.Named("plugin"), Self: self, RuntimeDir: dir, DataDir: dir,
		Upstream: func(context.Context, *config.Plugin, string, sdk.UpstreamRequest) (sdk.UpstreamResponse, error) {
			return sdk.UpstreamResponse{}, status.Error(codes.Unavailable, "the configuration is only being checked")
		},
	})
	if err != nil {
		return err
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	err = do(c)
	return errors.Join(err, c.Close(ending))
}
