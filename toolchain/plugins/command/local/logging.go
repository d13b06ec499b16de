package local

import (
	"bytes"
	"sync"

	"github.com/pulumi/pulumi-go-provider/infer"
)

// Logging says which output is shown while a command runs. What is captured does not depend on it.
type Logging string

const (
	logStdout Logging = "stdout"
	logStderr Logging = "stderr"
	logBoth   Logging = "stdoutAndStderr"
	logNone   Logging = "none"
)

// Values lists what is allowed, for the schema.
func (Logging) Values() []infer.EnumValue[Logging] {
	return []infer.EnumValue[Logging]{
		{Name: "Stdout", Value: logStdout},
		{Name: "Stderr", Value: logStderr},
		{Name: "StdoutAndStderr", Value: logBoth},
		{Name: "None", Value: logNone},
	}
}

// shows tells whether a stream, named by the setting for it alone, is shown. Both are unless told.
func (l *Logging) shows(stream Logging) bool {
	return l == nil || *l == logBoth || *l == stream
}

// lines hands on whole lines as they come, from writers of their own goroutines, whatever their length.
type lines struct {
	mu   sync.Mutex
	rest []byte
	emit func(line string)
}

func (l *lines) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, data...)
	for {
		end := bytes.IndexByte(l.rest, '\n')
		if end < 0 {
			return len(data), nil
		}
		l.emit(string(l.rest[:end]))
		l.rest = l.rest[end+1:]
	}
}

// flush hands on a last line without an end.
func (l *lines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rest) > 0 {
		l.emit(string(l.rest))
		l.rest = nil
	}
}
