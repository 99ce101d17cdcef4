package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"daybook.dev/internal/wal"
)

// The file of a replay is one JSON object: the format, the members of Job, and
// as the last one "check", the CRC-32C, as eight hexadecimal digits, of everything
// before its comma. A file is replaced as a whole.
const (
	format   = 1
	suffix   = ".json"
	maxFile  = 1 << 20
	checkKey = `,"check":"`
)

// directory is where the replays of a data directory are.
func directory(data string) string { return filepath.Join(data, "replays") }

// A document is what a file holds, but for the check.
type document struct {
	Format int `json:"format"`
	*Job
}

// marshal returns the content of a job's file.
func marshal(j *Job) ([]byte, error) {
	content, err := json.Marshal(document{format, j})
	if err != nil {
		return nil, err
	}
	content = bytes.TrimSuffix(content, []byte("}"))
	return fmt.Appendf(content, "%s%08x\"}\n", checkKey, wal.Checksum(content)), nil
}

var errDamaged = errors.New("it is damaged")

// unmarshal reads a file that marshal wrote.
func unmarshal(content []byte) (*Job, error) {
	i := bytes.LastIndex(content, []byte(checkKey))
	if i < 0 || string(content[i:]) != fmt.Sprintf("%s%08x\"}\n", checkKey, wal.Checksum(content[:i])) {
		return nil, errDamaged
	}
	d := document{Job: &Job{}}
	if err := json.Unmarshal(append(content[:i:i], '}'), &d); err != nil {
		return nil, err
	}
	if d.Format != format {
		return nil, fmt.Errorf("it has format %d, this version reads %d", d.Format, format)
	}
	return d.Job, nil
}

// readAll reads the replays of a data directory. What cannot be read is named,
// and left where it is.
func readAll(disk wal.FS, data string, unreadable func(file string, err error)) ([]*Job, error) {
	dir := directory(data)
	names, err := disk.Names(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var jobs []*Job
	for _, name := range names {
		id, ours := strings.CutSuffix(name, suffix)
		if !ours {
			continue
		}
		file := filepath.Join(dir, name)
		content, err := wal.ReadFile(disk, file, maxFile)
		var j *Job
		if err == nil {
			j, err = unmarshal(content)
		}
		if err == nil && j.ID != id {
			err = errors.New("it is of another replay")
		}
		if err != nil {
			unreadable(file, err)
			continue
		}
		jobs = append(jobs, j)
	}
	return jobs, err
}

// save writes the file of a job as it is now.
func (r *Replayer) save(j *Job) error {
	r.saving.Lock()
	defer r.saving.Unlock()
	now := r.snapshot(j)
	content, err := marshal(&now)
	if err != nil {
		return err
	}
	return wal.ReplaceFile(r.options.FS, r.name(j.ID), content)
}

func (r *Replayer) name(id string) string { return filepath.Join(directory(r.options.Data), id+suffix) }

// Followers names the replays of a data directory that are not finished, as they
// call Hold: a journal that is opened with these names keeps what they need until
// Open has said what that is.
func Followers(disk wal.FS, data string) ([]string, error) {
	jobs, err := readAll(disk, data, func(string, error) {})
	var names []string
	for _, j := range jobs {
		if !j.State.Finished() {
			names = append(names, follower(j.ID))
		}
	}
	return names, err
}

// follower is the name under which a replay holds records.
func follower(id string) string { return "replay:" + id }
