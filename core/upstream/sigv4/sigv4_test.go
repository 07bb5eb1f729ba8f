package sigv4

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// The requests and signatures are those of AWS's own test suite, the "header"
// half of tests/aws-signing-test-suite/v4 in github.com/awslabs/aws-c-auth.
// That suite's keys are public.
func TestSignaturesAreAWSsOwn(t *testing.T) {
	t.Parallel()
	const unreserved = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for _, tt := range []struct {
		name, method string
		url          url.URL
		token        string
		want         string
	}{
		{name: "get-vanilla", url: url.URL{Path: "/"}, want: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{name: "no path at all", want: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{name: "post-vanilla", method: http.MethodPost, url: url.URL{Path: "/"}, want: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
		{
			name: "get-vanilla-query-order-key-case", url: url.URL{Path: "/", RawQuery: "Param2=value2&Param1=value1"},
			want: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
		},
		{
			name: "get-vanilla-query-unreserved", url: url.URL{Path: "/", RawQuery: unreserved + "=" + unreserved},
			want: "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
		},
		{
			name: "get-vanilla-with-session-token", url: url.URL{Path: "/"}, token: "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267",
			want: "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.method == "" {
				tt.method = http.MethodGet
			}
			tt.url.Scheme, tt.url.Host = "https", "example.amazonaws.com"
			h := http.Header{"User-Agent": {"not signed"}}
			keys := Keys{ID: "AKIDEXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", Token: tt.token}
			Sign(tt.method, &tt.url, h, nil, keys, Scope{Region: "us-east-1", Service: "service"}, time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC))
			signed := "host;x-amz-date"
			if tt.token != "" {
				signed += ";x-amz-security-token"
			}
			want := "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=" + signed + ", Signature=" + tt.want
			if got := h.Get("Authorization"); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if got := h.Get("X-Amz-Date"); got != "20150830T123600Z" {
				t.Errorf("X-Amz-Date: %s", got)
			}
			if got := h.Get("X-Amz-Security-Token"); got != tt.token {
				t.Errorf("X-Amz-Security-Token: %s", got)
			}
		})
	}
}

// A model's id may hold a colon or be an ARN, so its escaped form is escaped
// again. The first two are get-utf8 and get-space of AWS's suite, whose paths
// are sent as they are here.
func TestPathsAreEscapedOnceMore(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{
		"/ሴ":               "/%E1%88%B4",
		"/example space/":  "/example%20space/",
		"/model/a%3A0/x":   "/model/a%253A0/x",
		"/arn%3Aaws%2Fp/x": "/arn%253Aaws%252Fp/x",
		"":                 "/",
	} {
		if got := canonicalPath(sent); got != want {
			t.Errorf("%s: got %s, want %s", sent, got, want)
		}
	}
}

func TestKeysAreOneText(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"id:secret", "id:secret:token"} {
		k, err := Parse(s)
		if err != nil || k.String() != s {
			t.Errorf("%s: got %v, %v", s, k, err)
		}
	}
	for _, s := range []string{"", "verysecret", "id:", ":verysecret", "id:verysecret:", "a:b:c:d"} {
		if _, err := Parse(s); err == nil || s != "" && strings.Contains(err.Error(), "very") {
			t.Errorf("%q: got %v", s, err)
		}
	}
}
