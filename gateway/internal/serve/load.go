package serve

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// DefaultFile is the configuration file that is read where present when none
// is named.
const DefaultFile = "daybook.yaml"

// Inputs is where configuration comes from.
type Inputs struct {
	// File is the configuration file. Empty means DefaultFile, where present.
	File string

	// Flags has the values given on the command line, by key name.
	Flags map[string]string

	// Env looks up the environment. Nil means there is none. An empty variable
	// counts as not set.
	Env func(name string) (value string, ok bool)

	// NoDestinations passes over the destinations and callers in the file, and over
	// what is decided about events, for whoever only wants to find the gateway:
	// their secrets are the gateway's own.
	NoDestinations bool

	// ReadFile reads the configuration file and ${file:…}. Nil = os.ReadFile.
	ReadFile func(path string) ([]byte, error)

	// Watch, where given, is told which files are read, for [Gateway] to read the
	// configuration again when they change. Nil = they are not watched.
	Watch *FileWatch
}

// Origins says for each key that was set where its value came from, such as
// "flag --ingest-listen", "environment PORT" or "daybook.yaml:3:5".
type Origins map[string]string

// Of returns where the value of a key came from: "default" when nobody set it.
func (o Origins) Of(key string) string {
	if from, ok := o[key]; ok {
		return from
	}
	return "default"
}

// Load returns the effective configuration: flags before environment before
// file before defaults. PORT, which container platforms set, is an environment
// variable that says ":PORT" for ingest.listen; DAYBOOK_INGEST_LISTEN counts
// before it. The error joins everything that is wrong, each with its place.
func Load(in Inputs) (Config, Origins, error) {
	fromFile, err := in.file()
	if err != nil {
		return Config{}, nil, err
	}
	var c Config
	origins := Origins{}
	var problems []error
	for _, k := range Keys() {
		text, from, ok := in.lookup(k, fromFile.values)
		if !ok {
			continue
		}
		origins[k.Name] = from
		if err := k.set(&c, text); err != nil {
			problems = append(problems, fmt.Errorf("%s: %s: %w", from, k.Name, err))
		}
	}
	for _, f := range fromFile.destinations {
		d, wrong := f.destination(origins)
		c.Destinations = append(c.Destinations, d)
		problems = append(problems, wrong...)
	}
	for _, f := range fromFile.callers {
		who, wrong := f.caller(origins)
		c.Callers = append(c.Callers, who)
		problems = append(problems, wrong...)
	}
	if !in.NoDestinations {
		if c.Kept, err = in.kept(c.CallersFile); err != nil {
			problems = append(problems, err)
		}
	}
	problems = append(problems, fromFile.setRules(&c, in, origins)...)
	c.ClientSettings = fromFile.settings
	if len(problems) > 0 {
		return Config{}, nil, errors.Join(problems...)
	}
	return c.withDefaults(), origins, nil
}

// lookup returns the text that counts for a key and where it came from.
func (in Inputs) lookup(k Key, fromFile map[string]fileValue) (text, from string, ok bool) {
	if text, ok := in.Flags[k.Name]; ok {
		return text, "flag --" + k.Flag(), true
	}
	if text, ok := in.env(k.Env()); ok {
		return text, "environment " + k.Env(), true
	}
	if k.Name == "ingest.listen" {
		if port, ok := in.env("PORT"); ok {
			return ":" + port, "environment PORT", true
		}
	}
	if v, ok := fromFile[k.Name]; ok {
		return v.text, v.at, true
	}
	return "", "", false
}

func (in Inputs) env(name string) (string, bool) {
	if in.Env == nil {
		return "", false
	}
	text, ok := in.Env(name)
	return text, ok && text != ""
}

// file reads the configuration file. A file that was named must exist; the
// default one may be absent.
func (in Inputs) file() (fileContent, error) {
	path := in.File
	if path == "" {
		path = DefaultFile
	}
	text, err := in.readFile(path)
	if in.File == "" && errors.Is(err, fs.ErrNotExist) {
		return fileContent{}, nil
	}
	if err != nil {
		return fileContent{}, fmt.Errorf("configuration: %w", err)
	}
	return parseFile(path, text, expander{env: in.env, readFile: in.readFile}, !in.NoDestinations)
}

func (in Inputs) readFile(path string) ([]byte, error) {
	in.Watch.note(path)
	if in.ReadFile != nil {
		return in.ReadFile(path)
	}
	return os.ReadFile(path)
}
