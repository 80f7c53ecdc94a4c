package query

// A query that few tuples can match would spend its time on dictionaries of addresses that it does not show. Its
// plan is sparse: it reads the pages of the dictionaries that hold what was found, and numbers IPv6 addresses as
// they are met. Numbers are then in no order, so that groups are summed by hash.

// pageCodes is how many addresses are read at a time.
const pageCodes = 2048

// pages are the parts of the dictionaries that were read, by code/pageCodes, that of IPv6 from its first address on.
type pages struct {
	four [][]uint32
	six  [][]number6
}

// place is the number of an IPv6 address, which is made if it is new.
func (s *space) place(v number6) uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, known := s.places[v]
	if !known {
		i = uint32(len(s.six))
		s.six = append(s.six, v)
		s.places[v] = i
	}
	return i
}

// sparseAddresses adds the addresses of tuples to their keys.
func (w *worker) sparseAddresses(b *buffer, tuples []uint32, keys []packed) error {
	p, s := b.part, &w.plan.shape
	if s.source {
		if err := p.addNumbers(b.sources(), tuples, s.sourceBits, 32, keys); err != nil {
			return err
		}
	}
	if s.destination {
		return p.addNumbers(b.targets(), tuples, s.destinationBits, 0, keys)
	}
	return nil
}

func (p *part) addNumbers(codes, tuples []uint32, bits uint8, shift int, keys []packed) error {
	p.mu.Lock() // workers share the pages
	defer p.mu.Unlock()
	last, number := noCode, uint64(0)
	for i, t := range tuples {
		if code := codes[t]; code != last {
			n, err := p.sparseNumber(code, bits)
			if err != nil {
				return err
			}
			last, number = code, uint64(n)<<shift
		}
		keys[i].addresses |= number
	}
	return nil
}

// sparseNumber is the number of the network of an address. The caller holds the lock.
func (p *part) sparseNumber(code uint32, bits uint8) (uint32, error) {
	if p.pages.four == nil {
		p.pages.four = make([][]uint32, p.ipv4/pageCodes+1)
		p.pages.six = make([][]number6, (p.codes-p.ipv4)/pageCodes+1)
	}
	if code < p.ipv4 {
		page := &p.pages.four[code/pageCodes]
		if *page == nil {
			d, err := p.IPv4()
			if err != nil {
				return 0, err
			}
			from := code / pageCodes * pageCodes
			if *page, err = d.Values(nil, from, min(from+pageCodes, p.ipv4)); err != nil {
				return 0, err
			}
		}
		return mask4((*page)[code%pageCodes], bits), nil
	}
	place := code - p.ipv4
	page := &p.pages.six[place/pageCodes]
	if *page == nil {
		d, err := p.IPv6()
		if err != nil {
			return 0, err
		}
		from := p.ipv4 + place/pageCodes*pageCodes
		if *page, err = d.Values(nil, from, min(from+pageCodes, p.codes)); err != nil {
			return 0, err
		}
	}
	return p.plan.space.place(mask6((*page)[place%pageCodes], bits)), nil
}
