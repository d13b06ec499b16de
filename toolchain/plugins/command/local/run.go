package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
)

// How long a cancelled command may tidy up before it is killed.
const grace = 5 * time.Second

// run executes a command to its end and captures what it leaves; without one what was left before stays.
// A command fails when it ends with another code than 0; the error holds what it printed.
func run(ctx context.Context, command *string, args Args, previous Results) (Results, error) {
	if command == nil {
		return previous, nil
	}
	interpreter := []string{"/bin/sh", "-c"}
	if args.Interpreter != nil && len(*args.Interpreter) > 0 {
		interpreter = *args.Interpreter
	}
	argv := append(append([]string{}, interpreter...), *command)

	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = environment(args, previous)
	if args.Dir != nil {
		// With a process group Go says "fork/exec /bin/sh" of a directory that is missing.
		if _, err := os.Stat(*args.Dir); err != nil {
			return previous, fmt.Errorf("chdir %s: %w: running %q:\n", *args.Dir, errors.Unwrap(err), *command)
		}
		cmd.Dir = *args.Dir
	}
	if args.Stdin != nil {
		cmd.Stdin = strings.NewReader(*args.Stdin)
	}
	// A group of its own, so that cancelling ends what the shell started too.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var last *time.Timer
	cmd.Cancel = func() error {
		group := -cmd.Process.Pid
		last = time.AfterFunc(grace, func() { _ = syscall.Kill(group, syscall.SIGKILL) })
		return syscall.Kill(group, syscall.SIGTERM)
	}

	var stdout, stderr, both bytes.Buffer
	everything := &locked{to: &both}
	shown := &lines{emit: p.GetLogger(ctx).InfoStatus}
	cmd.Stdout = tee(&stdout, everything, shown, args.Logging.shows(logStdout))
	cmd.Stderr = tee(&stderr, everything, shown, args.Logging.shows(logStderr))

	err := cmd.Run()
	shown.flush()
	if last != nil {
		last.Stop()
	}
	if err != nil {
		return previous, fmt.Errorf("%w: running %q:\n%s", err, *command, both.String())
	}

	left := previous
	left.Stdout = strings.TrimSuffix(stdout.String(), "\n")
	left.Stderr = strings.TrimSuffix(stderr.String(), "\n")
	return left, collect(args, &left)
}

// environment is this process's own, then what the program sets, then what the last command printed.
func environment(args Args, previous Results) []string {
	env := os.Environ()
	if args.Environment != nil {
		for name, value := range *args.Environment {
			env = append(env, name+"="+value)
		}
	}
	if args.AddPreviousOutputInEnv == nil || *args.AddPreviousOutputInEnv {
		if previous.Stdout != "" {
			env = append(env, "PULUMI_COMMAND_STDOUT="+previous.Stdout)
		}
		if previous.Stderr != "" {
			env = append(env, "PULUMI_COMMAND_STDERR="+previous.Stderr)
		}
	}
	return env
}

func tee(own, everything io.Writer, shown *lines, show bool) io.Writer {
	if show {
		return io.MultiWriter(own, everything, shown)
	}
	return io.MultiWriter(own, everything)
}

// locked lets both streams write to one place.
type locked struct {
	mu sync.Mutex
	to io.Writer
}

func (l *locked) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(data)
}
