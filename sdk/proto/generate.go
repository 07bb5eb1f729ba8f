// Package proto is the contract between the router and its plugins as
// protobuf: one file per kind. Go authors use the package sdk instead.
package proto

//go:generate sh -c "cd ../.. && go run github.com/bufbuild/buf/cmd/buf@v1.75.0 generate . --config sdk/proto/buf.yaml --template sdk/proto/buf.gen.yaml --path sdk/proto"
