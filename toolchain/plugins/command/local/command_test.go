package local

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/blang/semver"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

var urn = resource.NewURN("stack", "project", "", "command:local:Command", "it")

func serve(t *testing.T) integration.Server {
	t.Helper()
	provider, err := Provider()
	if err != nil {
		t.Fatal(err)
	}
	server, err := integration.NewServer(t.Context(), "command", semver.MustParse("1.2.1"), integration.WithProvider(provider))
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func props(of map[string]property.Value) property.Map { return property.NewMap(of) }

func text(s string) property.Value { return property.New(s) }

func list(items ...string) property.Value {
	values := make([]property.Value, len(items))
	for i, item := range items {
		values[i] = text(item)
	}
	return property.New(values)
}

func create(t *testing.T, args map[string]property.Value) property.Map {
	t.Helper()
	reply, err := serve(t).Create(p.CreateRequest{Urn: urn, Properties: props(args)})
	if err != nil {
		t.Fatal(err)
	}
	return reply.Properties
}

func expect(t *testing.T, state property.Map, key, want string) {
	t.Helper()
	if got := state.Get(key); !got.IsString() || got.AsString() != want {
		t.Errorf("%s is %v, not %q", key, got, want)
	}
}

func TestCreateCapturesBothStreamsWithoutTheirLastNewline(t *testing.T) {
	state := create(t, map[string]property.Value{"create": text(`printf 'one\n\n'; echo two >&2`)})
	expect(t, state, "stdout", "one\n")
	expect(t, state, "stderr", "two")
}

func TestStdinEnvironmentDirAndInterpreterReachTheCommand(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	state := create(t, map[string]property.Value{
		"create":      text("pwd; cat; echo $GREETING $0"),
		"dir":         text(dir),
		"stdin":       text("in\n"),
		"environment": property.New(map[string]property.Value{"GREETING": text("hello")}),
		"interpreter": list("/bin/sh", "-u", "-c"),
	})
	expect(t, state, "stdout", dir+"\nin\nhello /bin/sh")
}

func TestAMissingDirFails(t *testing.T) {
	_, err := serve(t).Create(p.CreateRequest{Urn: urn, Properties: props(map[string]property.Value{
		"create": text("true"), "dir": text("/does/not/exist"),
	})})
	want := "chdir /does/not/exist: no such file or directory: running \"true\":\n"
	if err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("error is %q", err)
	}
}

func TestAFailingCommandTellsItsCodeAndWhatItPrinted(t *testing.T) {
	_, err := serve(t).Create(p.CreateRequest{Urn: urn, Properties: props(map[string]property.Value{
		"create": text("echo before; echo because >&2; exit 3"),
	})})
	// The two streams have no order between them.
	_, printed, found := strings.Cut(fmt.Sprint(err), "exit status 3: running \"echo before; echo because >&2; exit 3\":\n")
	if !found || printed != "before\nbecause\n" && printed != "because\nbefore\n" {
		t.Errorf("error is %q", err)
	}
}

func TestWithoutCreateNothingRuns(t *testing.T) {
	state := create(t, map[string]property.Value{"delete": text("false")})
	expect(t, state, "stdout", "")
}

func TestPreviewRunsNothingAndKnowsNoOutput(t *testing.T) {
	file := filepath.Join(t.TempDir(), "made")
	args := props(map[string]property.Value{"create": text("touch " + file)})
	reply, err := serve(t).Create(p.CreateRequest{Urn: urn, Properties: args, DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the command ran")
	}
	if !reply.Properties.Get("stdout").IsComputed() {
		t.Errorf("stdout is %v", reply.Properties.Get("stdout"))
	}
}

func TestUpdateRunsUpdateAndSeesThePreviousOutput(t *testing.T) {
	server := serve(t)
	old := create(t, map[string]property.Value{"create": text("echo out; echo err >&2")})
	news := map[string]property.Value{
		"create": text("echo again"),
		"update": text(`echo "$PULUMI_COMMAND_STDOUT and $PULUMI_COMMAND_STDERR"`),
	}
	reply, err := server.Update(p.UpdateRequest{ID: "it", Urn: urn, State: old, Inputs: props(news)})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, reply.Properties, "stdout", "out and err")

	news["addPreviousOutputInEnv"] = property.New(false)
	if reply, err = server.Update(p.UpdateRequest{ID: "it", Urn: urn, State: old, Inputs: props(news)}); err != nil {
		t.Fatal(err)
	}
	expect(t, reply.Properties, "stdout", " and ")

	delete(news, "update")
	if reply, err = server.Update(p.UpdateRequest{ID: "it", Urn: urn, State: old, Inputs: props(news)}); err != nil {
		t.Fatal(err)
	}
	expect(t, reply.Properties, "stdout", "again")
}

func TestDeleteSeesThePreviousOutput(t *testing.T) {
	file := filepath.Join(t.TempDir(), "deleted")
	state := create(t, map[string]property.Value{
		"create": text("echo made"),
		"delete": text(`echo "$PULUMI_COMMAND_STDOUT" > ` + file),
	})
	if err := serve(t).Delete(p.DeleteRequest{ID: "it", Urn: urn, Properties: state}); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(file); string(got) != "made\n" {
		t.Errorf("the delete command wrote %q", got)
	}
}

func TestANewListOfTriggersReplacesAndOtherInputsUpdate(t *testing.T) {
	server := serve(t)
	old := create(t, map[string]property.Value{"create": text("echo")})
	for kind, news := range map[p.DiffKind]map[string]property.Value{
		p.AddReplace: {"create": text("echo"), "triggers": list("a")},
		p.Update:     {"create": text("echo more")},
	} {
		diff, err := server.Diff(p.DiffRequest{ID: "it", Urn: urn, State: old, Inputs: props(news)})
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, change := range diff.DetailedDiff {
			found = found || change.Kind == kind
		}
		if !diff.HasChanges || !found {
			t.Errorf("the difference is %v, without %q", diff.DetailedDiff, kind)
		}
	}
}

func TestAssetsAndArchiveHoldTheFilesTheRulesPick(t *testing.T) {
	dir := t.TempDir()
	state := create(t, map[string]property.Value{
		"create":       text("mkdir -p assets/logos src; touch assets/logos/logo.svg src/index.js src/secret.js"),
		"dir":          text(dir),
		"assetPaths":   list("assets/**", "src/**.js", "!**secret.*"),
		"archivePaths": list("src/*"),
	})
	assets := state.Get("assets").AsMap()
	for path, want := range map[string]bool{"assets/logos/logo.svg": true, "src/index.js": true, "src/secret.js": false} {
		if _, got := assets.GetOk(path); got != want {
			t.Errorf("%s picked: %v", path, got)
		}
	}
	if archive := state.Get("archive").AsMap().Get("assets").AsMap(); archive.Len() != 2 {
		t.Errorf("the archive holds %v", archive)
	}
}

func TestNothingIsRecordedThatTheProgramDoesNotSay(t *testing.T) {
	said := props(map[string]property.Value{"create": text("echo")})
	reply, err := serve(t).Check(p.CheckRequest{Urn: urn, Inputs: said})
	if err != nil {
		t.Fatal(err)
	}
	if !property.New(reply.Inputs).Equals(property.New(said)) {
		t.Errorf("%v became %v", said, reply.Inputs)
	}
	if got := create(t, map[string]property.Value{"create": text("echo")}); got.Len() != 3 {
		t.Errorf("the state is %v, not create, stdout and stderr", got)
	}
}

func TestFilesAreCollectedByACommandAndByNothingElse(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "there"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	paths := map[string]property.Value{"dir": text(dir), "assetPaths": list("*"), "archivePaths": list("*")}
	state := create(t, paths)
	for _, key := range []string{"assets", "archive"} {
		if got := state.Get(key); !got.IsNull() {
			t.Errorf("%s is %v where nothing ran", key, got)
		}
	}
}

func TestLoggingPicksTheStreams(t *testing.T) {
	for setting, want := range map[Logging][2]bool{
		logStdout: {true, false}, logStderr: {false, true}, logBoth: {true, true}, logNone: {false, false},
	} {
		if got := [2]bool{setting.shows(logStdout), setting.shows(logStderr)}; got != want {
			t.Errorf("%s shows %v", setting, got)
		}
	}
	var unset *Logging
	if !unset.shows(logStdout) || !unset.shows(logStderr) {
		t.Error("without a setting not all is shown")
	}
}

func TestLinesOfAnyLengthAreShownWhole(t *testing.T) {
	var seen []string
	shown := &lines{emit: func(line string) { seen = append(seen, line) }}
	long := strings.Repeat("x", 1<<20)
	for _, part := range []string{"a", "b\n" + long, "\nend"} {
		_, _ = shown.Write([]byte(part))
	}
	shown.flush()
	if len(seen) != 3 || seen[0] != "ab" || seen[1] != long || seen[2] != "end" {
		t.Errorf("%d lines, %d long", len(seen), len(seen[1]))
	}
}

func TestCancellingEndsTheCommandAndWhatItStarted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	file := filepath.Join(t.TempDir(), "still-here")
	command := "(sleep 1; touch " + file + ") & wait"
	time.AfterFunc(200*time.Millisecond, cancel)
	started := time.Now()
	if _, err := run(ctx, &command, Args{}, Results{}); err == nil {
		t.Error("a cancelled command succeeded")
	}
	if took := time.Since(started); took > 900*time.Millisecond {
		t.Errorf("it took %v", took)
	}
	time.Sleep(1200 * time.Millisecond)
	if _, err := os.Stat(file); err == nil {
		t.Error("its child lived on")
	}
}
