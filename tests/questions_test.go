//go:build linux

package tests

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirflow/weir/demo/planted"
	"github.com/weirflow/weir/internal/testenv"
	"github.com/weirflow/weir/pkg/reports"
	"github.com/weirflow/weir/pkg/wire"
)

// plantedFleet are probes over the stores of a fleet in which the answers are known.
type plantedFleet struct {
	hosts   []planted.Host
	answers *planted.Answers
	servers []string // arguments of the command line that name them
	// addresses are those of the hosts over TCP, in the clear and for loopback only.
	addresses []string
	files     string // directory
}

// startPlanted plants the fleet and runs a probe on each store. The probes capture nothing.
func startPlanted(t *testing.T) *plantedFleet {
	t.Helper()
	f := &plantedFleet{files: t.TempDir()}
	var err error
	if f.hosts, f.answers, err = planted.Fleet(t.Context(), filepath.Join(f.files, "stores"), planted.Config{Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	for _, h := range f.hosts {
		p := &probe{store: h.Directory, socket: filepath.Join(f.files, h.Name+".sock")}
		address := fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(t))
		config := filepath.Join(f.files, h.Name+".yaml")
		labels, err := json.Marshal(h.Labels)
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("host: {name: %s, labels: %s}\nstore: {path: %q}\ncapture: {interfaces: [\"weirnone*\"]}\napi: {listen: [{unix: %q}, {tcp: %q, insecure: {allow: [127.0.0.0/8]}}]}\n",
			h.Name, labels, h.Directory, p.socket, address)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p.process = start(t, exec.Command(binary(t, probeProgram), "run", "--config", config))
		eventually(t, patience, func() string {
			if p.process.ended() {
				t.Fatalf("the probe ended: %v\n%s", p.process.err, p.process.output)
			}
			if _, err := p.get("/-/health"); err != nil {
				return err.Error()
			}
			return ""
		})
		f.addresses = append(f.addresses, address)
		f.servers = append(f.servers, "--server", h.Name+"=unix:"+p.socket)
	}
	return f
}

// ask runs a verb of the command line over the fleet and decodes its JSON.
func (f *plantedFleet) ask(t *testing.T, into any, verb []string, arguments ...string) {
	t.Helper()
	line := slices.Concat(verb, f.servers, []string{"-e", "json"}, arguments)
	output := succeed(t, patience, exec.Command(binary(t, clientProgram), line...))
	if err := json.Unmarshal([]byte(output), into); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(line, " "), err, output)
	}
}

// file writes a file and returns its path.
func (f *plantedFleet) file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(f.files, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The six questions that Weir is for, each by a line of the command line over real probes, with the planted answers.
func TestQuestions(t *testing.T) {
	f := startPlanted(t)
	t.Run("probes", f.questions)
	t.Run("incomplete", f.incomplete)
	t.Run("readable", f.readable)
	gateway := *f
	gateway.servers = []string{"--server", f.startGateway(t)}
	t.Run("gateway", gateway.questions)
}

func (f *plantedFleet) questions(t *testing.T) {
	t.Run("access", f.access)
	t.Run("blocked", f.blocked)
	t.Run("asymmetry", f.asymmetry)
	t.Run("hogs", f.hogs)
	t.Run("actors", f.actors)
	t.Run("clean", f.clean)
	t.Run("composition", f.composition)
}

// startGateway runs a gateway over the probes and returns its address.
func (f *plantedFleet) startGateway(t *testing.T) string {
	t.Helper()
	socket := filepath.Join(f.files, "gateway.sock")
	var hosts []string
	for _, h := range f.hosts {
		hosts = append(hosts, fmt.Sprintf("{name: %s, url: %q}", h.Name, "unix:"+filepath.Join(f.files, h.Name+".sock")))
	}
	text := fmt.Sprintf("api: {listen: [{unix: %q}]}\ninventory: {hosts: [%s]}\n", socket, strings.Join(hosts, ", "))
	p := &probe{socket: socket, process: start(t, exec.Command(binary(t, clientProgram), "gateway", "--config", f.file(t, "gateway.yaml", text)))}
	eventually(t, patience, func() string {
		if p.process.ended() {
			t.Fatalf("the gateway ended: %v\n%s", p.process.err, p.process.output)
		}
		if _, err := p.get("/-/health"); err != nil {
			return err.Error()
		}
		return ""
	})
	return "unix:" + socket
}

func names(points []reports.Point) []string {
	list := []string{}
	for _, p := range points {
		list = append(list, p.String())
	}
	return list
}

func (f *plantedFleet) service(t *testing.T, p *reports.PathAnswer, name string) *reports.PathService {
	t.Helper()
	for i := range p.Services {
		if p.Services[i].Text == name {
			return &p.Services[i]
		}
	}
	t.Fatalf("no %s in %+v", name, p.Services)
	return nil
}

// Did A access B?
func (f *plantedFleet) access(t *testing.T) {
	want := f.answers.Access
	var got reports.PathAnswer
	f.ask(t, &got, []string{"path"}, "-f", "-4d", want.A, want.B)
	s := f.service(t, &got, want.Service)
	if got.Verdict != "accepted" || len(got.Services) != 1 || s.Initiator != "a" || s.Attempts != want.Attempts || s.Accepted != want.Attempts {
		t.Errorf("%+v", got)
	}
	if !s.Split || s.AToB.Bytes != want.AToB || s.BToA.Bytes != want.BToA || !s.FirstSeen.Equal(want.First) || !s.LastSeen.Equal(want.Last) {
		t.Errorf("%+v, want %+v", s, want)
	}
	if !slices.Equal(names(s.Points), want.Points) || len(got.Views) != 4 || len(got.OneSided) > 0 || got.Coverage.Answered != 5 || got.Coverage.WithData != 5 {
		t.Errorf("seen by %v, %+v", s.Points, got.Coverage)
	}
}

// Did A get blocked?
func (f *plantedFleet) blocked(t *testing.T) {
	want := f.answers.Blocked
	var got reports.PathAnswer
	f.ask(t, &got, []string{"path"}, "-f", "-4d", want.A, want.B)
	dropped, refused := f.service(t, &got, want.Unanswered), f.service(t, &got, want.Rejected)
	if got.Verdict != "rejected" || dropped.Verdict != "unanswered" || refused.Verdict != "rejected" {
		t.Errorf("%s", got.Text)
	}
	if dropped.Unanswered != want.UnansweredN || dropped.Attempts != want.UnansweredN || !slices.Equal(names(dropped.Points), want.UnansweredAt) ||
		!dropped.FirstSeen.Equal(want.UnansweredFirst) || !dropped.LastSeen.Equal(want.UnansweredLast) {
		t.Errorf("%+v, want %+v", dropped, want)
	}
	if refused.Rejected != want.RejectedN || refused.Attempts != want.RejectedN || !slices.Equal(names(refused.Points), want.RejectedAt) {
		t.Errorf("%+v, want %+v", refused, want)
	}
}

// Is there asymmetric routing?
func (f *plantedFleet) asymmetry(t *testing.T) {
	want := f.answers.Asymmetric
	var got reports.AsymmetryAnswer
	f.ask(t, &got, []string{"asymmetry"}, "-f", "-4d")
	if len(got.Pairs) != 2 {
		t.Fatalf("%+v", got.Pairs)
	}
	split, unseen := got.Pairs[0], got.Pairs[1]
	if split.Source.String() != want.Source || split.Destination.String() != want.Destination || split.Kind != reports.PairSplit || !split.HalvesKnown ||
		split.Forward.Bytes != want.ForwardBytes || split.Backward.Bytes != want.BackwardBytes {
		t.Errorf("%+v, want %+v", split, want)
	}
	if !slices.Equal(names(split.Forward.Points), want.Forward) || !slices.Equal(names(split.Backward.Points), want.Backward) || !slices.Equal(names(split.Both), want.Both) {
		t.Errorf("%s", split.Text)
	}
	if unseen.Source.String() != want.UnseenSource || unseen.Destination.String() != want.UnseenTo || unseen.Kind != reports.PairReverseUnseen ||
		unseen.Forward.Bytes != want.UnseenBytes || !slices.Equal(names(unseen.Forward.Points), want.Unseen) {
		t.Errorf("%+v, want %+v", unseen, want)
	}
}

// Who are the bandwidth hogs?
func (f *plantedFleet) hogs(t *testing.T) {
	want := f.answers.Hog
	var got wire.Result
	f.ask(t, &got, []string{"query"}, "-i", want.Iface, "-f", "-12h", "--merge", "--seen", "-n", "5", "host,iface,sip,dip,dport,proto")
	if len(got.Rows) != 5 {
		t.Fatalf("%d rows", len(got.Rows))
	}
	row := got.Rows[0]
	if row.Labels.Host != want.Host || row.Labels.Iface != want.Iface || row.Attributes.Source.String() != want.Source || row.Attributes.Destination.String() != want.Destination ||
		row.Counters.Flow().Bytes() != want.Bytes || !row.FirstSeen.Equal(want.First) || !row.LastSeen.Equal(want.Last) {
		t.Errorf("%+v, want %+v", row, want)
	}
	if second := got.Rows[1].Counters.Flow().Bytes(); second*10 > want.Bytes {
		t.Errorf("the second has %d bytes", second)
	}
}

// Has any of these addresses touched any system?
func (f *plantedFleet) actors(t *testing.T) {
	want := f.answers.Actor
	var got reports.ActorsAnswer
	f.ask(t, &got, []string{"actors", "hits"}, "-f", "-4d", f.file(t, "actors.csv", want.List))
	if got.Hits != 1 || got.Accepted != 1 || len(got.Actors) != 1 || got.Entries != 3 {
		t.Fatalf("%+v", got)
	}
	h := got.Actors[0]
	var ports, systems []string
	for _, p := range h.Ports {
		ports = append(ports, p.Text)
	}
	for _, s := range h.Systems {
		systems = append(systems, s.String())
	}
	if h.Prefix.Addr().String() != want.Address || h.Label != want.Label || h.Source != want.Source || h.Confidence != want.Confidence ||
		!slices.Equal(h.Hosts, want.Hosts) || !slices.Equal(h.Companies, want.Companies) || !slices.Equal(ports, want.Ports) || !slices.Equal(systems, want.Systems) {
		t.Errorf("%+v, want %+v", h, want)
	}
	if h.Total.Attempts != want.Attempts || h.Total.Accepted != want.Accepted || h.Total.Rejected != want.Rejected || h.Total.Unanswered != want.Unanswered ||
		!h.FirstSeen.Equal(want.First) || !h.LastSeen.Equal(want.Last) || h.AsResponder.Flows != 1 || h.AsInitiator.Flows != 3 {
		t.Errorf("%+v, want %+v", h, want)
	}
}

// And if none has: what does that prove?
func (f *plantedFleet) clean(t *testing.T) {
	list := f.file(t, "clean.txt", f.answers.Actor.Clean)
	var got reports.ActorsAnswer
	f.ask(t, &got, []string{"actors", "hits"}, "-f", "-3d", "--expect-none", list)
	if got.Hits != 0 || !strings.HasPrefix(got.Text, "0 hits of 3 entries; 5 of 5 hosts answered, data covers ") || !strings.HasSuffix(got.Text, " .. now on 5") {
		t.Errorf("%s", got.Text)
	}
}

// A host that does not answer makes the proof incomplete.
func (f *plantedFleet) incomplete(t *testing.T) {
	list := f.file(t, "clean.txt", f.answers.Actor.Clean)
	line := slices.Concat([]string{"actors", "hits", "-f", "-3d", "--expect-none"}, f.servers, []string{"--server", "gone=unix:" + filepath.Join(f.files, "gone.sock"), list})
	output, err := exec.Command(binary(t, clientProgram), line...).CombinedOutput()
	if err == nil || !strings.Contains(string(output), "5 of 6 hosts answered") || !strings.Contains(string(output), "the proof is not complete") {
		t.Errorf("%v: %s", err, output)
	}
}

// What was the composition of traffic at a past time?
func (f *plantedFleet) composition(t *testing.T) {
	want := f.answers.Composition
	at := strconv.FormatInt(want.At.Unix(), 10)
	var got wire.Result
	f.ask(t, &got, []string{"query"}, "-i", want.Iface, "-c", "hostname = "+want.Host, "-f", at, "-l", at, "--merge", "dport,proto")
	var services []planted.Part
	for _, row := range got.Rows {
		services = append(services, planted.Part{Service: fmt.Sprintf("%s/%d", row.Attributes.Protocol, row.Attributes.DestinationPort), Bytes: row.Counters.Flow().Bytes()})
	}
	if !slices.Equal(services, want.Services) || services[0].Service != "udp/123" {
		t.Errorf("%v, want %v", services, want.Services)
	}
}

// Reports for people fit a terminal of a hundred columns, and CSV can be read.
func (f *plantedFleet) readable(t *testing.T) {
	a := f.answers
	for _, verb := range [][]string{
		{"path", "-f", "-4d", a.Access.A, a.Access.B}, {"path", "-f", "-4d", a.Blocked.A, a.Blocked.B}, {"asymmetry", "-f", "-4d"},
		{"actors", "hits", "-f", "-4d", f.file(t, "actors.csv", a.Actor.List)},
	} {
		text := succeed(t, patience, exec.Command(binary(t, clientProgram), slices.Concat(verb, f.servers)...))
		for line := range strings.Lines(text) {
			if len([]rune(line)) > 101 {
				t.Errorf("%d columns: %s", len([]rune(line)), line)
			}
		}
		t.Logf("weir %s\n%s", strings.Join(verb, " "), text)
		table := strings.Split(strings.TrimSpace(succeed(t, patience, exec.Command(binary(t, clientProgram), slices.Concat(verb, []string{"-e", "csv"}, f.servers)...))), "\n")
		if len(table) < 2 || strings.Count(table[0], ",") < 10 {
			t.Errorf("%q", table)
		}
	}
}
