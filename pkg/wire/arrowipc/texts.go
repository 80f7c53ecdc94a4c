package arrowipc

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weirflow/weir/pkg/wire"
)

// texts is a column of texts of which there are few: each is written once. All batches have the same words.
type texts struct {
	*words
	validity
	batch []int32 // entries of this batch, 0 for null
}

// words are the texts of a column and where its rows have them. They go ahead of the first batch, complete: not every
// reader knows dictionaries that grow.
type words struct {
	kind       textKind
	label      string // of a labelText
	list       []string
	index      map[string]int32 // of the list
	recent     [recentTexts]recentText
	dictionary *array.Data
	entries    []int32 // of the list, by row of the result; none for null
	gaps       bool    // a row has no text
}

// textKind says which text of a row a column holds.
type textKind uint8

const (
	ifaceText textKind = iota
	hostText
	hostIDText
	verdictText
	labelText
)

// take copies the column's text of each row.
func (c *words) take(into *[stripRows]string, rows []wire.Row) {
	rows = rows[:min(len(rows), stripRows)]
	switch c.kind {
	case ifaceText:
		for i := range rows {
			into[i] = rows[i].Labels.Iface
		}
	case hostText:
		for i := range rows {
			into[i] = rows[i].Labels.Host
		}
	case hostIDText:
		for i := range rows {
			into[i] = rows[i].Labels.HostID
		}
	case verdictText:
		for i := range rows {
			into[i] = rows[i].Attributes.Verdict
		}
	case labelText:
		for i := range rows {
			into[i] = rows[i].Labels.HostLabels.Get(c.label)
		}
	}
}

// none stands for a text that is not there.
const none = -1

// collect goes through all rows, some at a time, for all columns of texts: the rows do not fit into a cache.
func collect(columns []*words, rows []wire.Row) {
	if len(columns) == 0 {
		return
	}
	for _, c := range columns {
		c.entries = make([]int32, len(rows))
	}
	for start := 0; start < len(rows); start += stripRows {
		end := min(start+stripRows, len(rows))
		for _, c := range columns {
			c.enter(rows[start:end], c.entries[start:end])
		}
	}
	for _, c := range columns {
		builder := array.NewStringBuilder(memory.DefaultAllocator)
		builder.AppendValues(c.list, nil)
		c.dictionary = builder.NewStringArray().Data().(*array.Data)
	}
}

// recentTexts is the number of texts that are found without hashing, if their ends and lengths differ.
const recentTexts = 64

type recentText struct {
	text  string
	entry int32
}

// enter finds the entries of stripRows rows at most.
func (c *words) enter(rows []wire.Row, entries []int32) {
	var strip [stripRows]string
	c.take(&strip, rows)
	for i, text := range strip[:len(entries)] {
		if text == "" {
			entries[i], c.gaps = none, true
			continue
		}
		recent := &c.recent[(text[len(text)-1]^byte(len(text)))%recentTexts]
		if recent.text != text {
			recent.text, recent.entry = text, c.entry(text)
		}
		entries[i] = recent.entry
	}
}

// entry is the place of a text in the list, at the end if it is new.
func (c *words) entry(text string) int32 {
	if i, known := c.index[text]; known {
		return i
	}
	if c.index == nil {
		c.index = make(map[string]int32)
	}
	i := int32(len(c.list))
	c.list, c.index[text] = append(c.list, text), i
	return i
}

func (c *texts) reset(from, rows int) {
	c.validity.reset(rows)
	c.batch = c.entries[from : from+rows]
	if !c.gaps {
		return
	}
	for i, entry := range c.batch {
		if entry == none {
			c.batch[i] = 0
			c.null(i)
		}
	}
}

// fill has nothing to do: the entries are known.
func (c *texts) fill([]wire.Row, int) {}

func (c *texts) arrays(list []arrow.Array) []arrow.Array {
	data := array.NewDataWithDictionary(textType, len(c.batch),
		[]*memory.Buffer{c.buffer(), memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(c.batch))}, c.nulls, 0, c.dictionary)
	return append(list, array.NewDictionaryData(data))
}
