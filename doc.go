// Package daybook holds the words applications and the Daybook gateway share:
// an [Event] is what happened, a [Sink] is where events go, and an [Outcome]
// says what became of one of them.
//
// The package depends on the standard library only, and the zero value of
// every type is safe: an Outcome nobody filled in reads "unknown", never
// "stored".
//
// [Gateway] opens the sink that sends events to a Daybook gateway over HTTP:
//
//	book, err := daybook.Gateway("http://localhost:8080", daybook.GatewayOptions{})
//	if err != nil {
//		return err
//	}
//	defer book.Close(ctx)
//	outcomes, err := book.Send(ctx, []daybook.Event{{Name: "login-success", Actor: "ann"}})
package daybook
