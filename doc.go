// Package daybook records what happens in a program and gets it to a Daybook
// gateway, to Kafka or to any other [Sink], without blocking or crashing the
// program, and without losing anything in silence. It needs nothing but Go's
// standard library.
//
// # Recording
//
// A program opens one [Client] and closes it when it ends:
//
//	book, err := daybook.Open(daybook.Config{Gateway: "http://localhost:8080", Service: "checkout"})
//	if err != nil {
//		return err
//	}
//	defer book.Close(context.Background())
//	book.Record(ctx, daybook.Behavioral, "login-success", slog.Bool("sso", true))
//
// The verbs say what has happened when they return. Take the first that promises
// enough:
//
//	Record    nothing: the event was encoded, and is on its way or counted as dropped
//	Enqueue   it is in the queue, or the error says why not
//	Save      it is fsynced in the spool: it survives the process and the machine
//	Send      the destination has it, or the outcome says why not
//
// Record has a type, a name and attributes. [Client.RecordMetric] and
// [Client.RecordExposure] are Record for measurements and experiments;
// [Client.RecordRaw] proxies events that somebody else has built. [Client.Event] builds
// one for the other verbs. With [Define] names are constants and values numbers,
// which is how a program that sees its users' files should record.
//
// # Attributes
//
// Attributes are those of package log/slog, and become JSON as slog's own handler
// writes it: groups become objects, durations nanoseconds. They come from the
// client ([Config].Attrs, [Client.With]), from the context ([ContextWith]), from scopes
// of the context ([NewScope], [Annotate], [Client.Middleware]) and from the call. Of one
// key the last in this order counts. Values are encoded before the call returns:
// a map may be changed and a buffer used again right after.
//
// # What never happens
//
// Record does not wait: not for locks that are held while something is written, not
// for the disk, not for the network. It does not panic, whatever the methods of
// the values it is given do. A nil Client and the zero Client record nothing, so
// that a program whose client could not be opened goes on. Where the user has
// opted out (DO_NOT_TRACK, [Config].OptOut) there is no goroutine, no file and no
// request, and no call fails for it.
//
// # What becomes of an event
//
// Each sink has a lane of its own: a bounded queue, batches by number, bytes and
// age, and a worker that tries again what failed. With [SpoolOptions].Dir what
// cannot be delivered waits on disk, also for the next process. Errors are told
// apart by their [Code]:
//
//	Unavailable, Internal, no code          tried again, with growing random pauses
//	Exhausted                               tried again, not before RetryAfter
//	Unauthenticated, Denied, Unimplemented  kept and tried slowly: a person has to act
//	TooLarge, Invalid, Conflict             the batch is halved until the event at fault is found; it is dropped
//
// An event keeps its ID from attempt to attempt and from process to process. A
// gateway stores it once; a sink that cannot tell may get it twice after a crash.
//
// Everything is counted. At every moment [Client.Stats] satisfies
//
//	Recorded = Delivered + Queued + Spooled + the sum of Dropped
//
// and [Config].Logger is told about losses in one line per 30 seconds at most.
//
// # Settings
//
// Sampling, kill switches and batch sizes may change while the program runs:
// [Settings] come from the gateway, a file ([SettingsFile]) or any [SettingsSource]. The last
// good ones are kept beside the spool. [Client.Reconfigure] changes everything else without
// losing an event.
//
// # Sinks
//
// [Gateway] is the sink that [Config].Gateway stands for. [Tee], [Filter], [Sample], [Batch],
// [Retry], [Spool], [LogTo] and [Discard] make sinks of sinks. A sink must not keep the events
// it is given: they live in memory that is used again, and that is why recording
// one allocates nothing.
//
// # Tests
//
// Package daybooktest has a recorder to look at what a program records, and a
// fake gateway that fails as it is told.
//
// The zero value of every type is safe: an Outcome nobody filled in reads
// "unknown", never "stored".
package daybook
