package local

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gobwas/glob"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// collect fills in the files that are there now, of the kinds that are asked for. An asset read back from
// a state has lost its path: one that is kept, as nothing was run or asked for, is refused by the engine,
// with upstream's plugin too.
func collect(args Args, into *Results) error {
	dir := ""
	if args.Dir != nil {
		dir = *args.Dir
	}
	if args.AssetPaths != nil {
		assets, err := matching(dir, *args.AssetPaths)
		if err != nil {
			return err
		}
		into.Assets = &assets
	}
	if args.ArchivePaths != nil {
		files, err := matching(dir, *args.ArchivePaths)
		if err != nil {
			return err
		}
		content := map[string]any{}
		for path, asset := range files {
			content[path] = asset
		}
		if into.Archive, err = resource.NewAssetArchive(content); err != nil {
			return err
		}
	}
	return nil
}

// matching finds the files below a directory (the working one, if empty) that rules pick. Rules are
// globs over paths with slashes, taken in order; one that starts with "!" takes files out again.
func matching(dir string, rules []string) (map[string]*resource.Asset, error) {
	if dir == "" {
		var err error
		if dir, err = os.Getwd(); err != nil {
			return nil, err
		}
	}
	picks := make([]glob.Glob, len(rules))
	for i, rule := range rules {
		pick, err := glob.Compile(strings.TrimPrefix(rule, "!"), '/')
		if err != nil {
			return nil, fmt.Errorf("%q is not a path glob: %w", rule, err)
		}
		picks[i] = pick
	}
	assets := map[string]*resource.Asset{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		in := false
		for i, pick := range picks {
			if pick.Match(path) {
				in = !strings.HasPrefix(rules[i], "!")
			}
		}
		if !in {
			return nil
		}
		assets[path], err = resource.NewPathAsset(filepath.Join(dir, path))
		return err
	})
	return assets, err
}
