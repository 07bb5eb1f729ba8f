package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smart-ai-router/smartrouter/core/e2e/clients/golang"
	"github.com/smart-ai-router/smartrouter/core/e2e/wall"
)

const (
	nodeClients = "clients/node"
	oldestNode  = 20

	installLimit = 5 * time.Minute // of npm ci, with a slow network
	// runLimit is for one program, which may have to be built, or go through the
	// conformance kit, on a busy machine.
	runLimit = 15 * time.Minute
)

// simulatedModels are what simulateProvider serves, by what they are for.
func simulatedModels() golang.Models {
	m := golang.Models{
		Chat: wall.ChatModel, Completion: wall.CompletionModel, Embedding: wall.EmbeddingModel, Image: wall.ImageModel,
		Speech: wall.SpeechModel, Transcription: wall.TranscribeModel, Moderation: wall.ModerationModel, Rerank: wall.RerankModel,
		Silent: "silent", Stalling: "stalling", Missing: "no-such-model",
		Failing: map[int]string{},
	}
	for _, status := range []int{
		http.StatusBadRequest, http.StatusForbidden, http.StatusConflict, http.StatusUnprocessableEntity,
		http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable,
	} {
		m.Failing[status] = "failing-" + strconv.Itoa(status)
	}
	return m
}

// simulateProvider starts a wall whose models do what the client programs need, for clients that have key.
func simulateProvider(t *testing.T, key string) *wall.Wall {
	t.Helper()
	m := simulatedModels()
	names := []string{m.Chat, m.Completion, m.Embedding, m.Image, m.Speech, m.Transcription, m.Moderation, m.Rerank, m.Silent, m.Stalling}
	const firstWords = 3 // events of a stream: the role, and two words
	faults := []wall.Fault{wall.Silent().ForModel(m.Silent), wall.StallAfter(firstWords).ForModel(m.Stalling)}
	for status, name := range m.Failing {
		names, faults = append(names, name), append(faults, wall.Status(status).ForModel(name))
	}
	return wall.Start(t, wall.Key(key), wall.Models(names...), wall.Faults(faults...))
}

// runNodeClients runs the JavaScript programs against an endpoint that serves simulatedModels and checks keys.
func runNodeClients(t *testing.T, baseURL, key string) {
	t.Helper()
	runNodeClientsFor(t, baseURL, key, simulatedModels())
}

func runNodeClientsFor(t *testing.T, baseURL, key string, models golang.Models) {
	t.Helper()
	installNode(t, nodeClients)
	names, err := json.Marshal(models)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"openai.test.mjs", "vercel.test.mjs", "langchain.test.mjs"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			run(t, nodeClients, []string{"BASE_URL=" + baseURL, "API_KEY=" + key, "MODELS=" + string(names)},
				"node", "--test", "--test-timeout=300000", "--test-reporter=spec", file)
		})
	}
}

// run runs a program to its end and returns its standard output.
func run(t *testing.T, folder string, env []string, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runLimit)
	defer cancel()
	program := exec.CommandContext(ctx, name, args...)
	program.Dir, program.Env = folder, append(os.Environ(), env...)
	var out, rest bytes.Buffer
	program.Stdout, program.Stderr = &out, &rest
	if err := program.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out.String(), rest.String())
	}
	return out.String()
}

// installNode runs npm ci in a folder unless it ran for the same package-lock.json before: the sum of that file is
// kept in node_modules/.installed. Tests of several processes may ask for it at the same time.
func installNode(t *testing.T, folder string) {
	t.Helper()
	version, err := exec.Command("node", "--version").Output()
	if err != nil {
		t.Fatalf("the JavaScript clients need Node.js %d or newer in PATH (https://nodejs.org): %v", oldestNode, err)
	}
	major, _, _ := strings.Cut(strings.TrimPrefix(string(version), "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < oldestNode {
		t.Fatalf("the JavaScript clients need Node.js %d or newer (https://nodejs.org), and this is %s", oldestNode, version)
	}

	lock, err := os.Open(filepath.Join(folder, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close() // unlocks too
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatalf("lock %s: %v", lock.Name(), err)
	}
	text, err := os.ReadFile(lock.Name())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(text)
	stamp, want := filepath.Join(folder, "node_modules", ".installed"), hex.EncodeToString(sum[:])
	if got, err := os.ReadFile(stamp); err == nil && strings.TrimSpace(string(got)) == want {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), installLimit)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund", "--prefer-offline")
	npm.Dir = folder
	if said, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("npm ci in %s: %v\n%s", folder, err, said)
	}
	if err := os.WriteFile(stamp, []byte(want+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}
