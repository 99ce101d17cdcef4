package token

import "container/list"

// An lru remembers what was used last, up to a number of entries. It is not safe
// for concurrent use.
type lru[K comparable, V any] struct {
	most    int
	entries map[K]*list.Element
	order   *list.List // of *entry[K, V], the one used last in front
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

func newLRU[K comparable, V any](most int) *lru[K, V] {
	return &lru[K, V]{most: most, entries: make(map[K]*list.Element), order: list.New()}
}

func (l *lru[K, V]) get(key K) (value V, ok bool) {
	at, ok := l.entries[key]
	if !ok {
		return value, false
	}
	l.order.MoveToFront(at)
	return at.Value.(*entry[K, V]).value, true
}

func (l *lru[K, V]) put(key K, value V) {
	l.remove(key)
	l.entries[key] = l.order.PushFront(&entry[K, V]{key, value})
	if l.order.Len() > l.most {
		l.remove(l.order.Back().Value.(*entry[K, V]).key)
	}
}

func (l *lru[K, V]) remove(key K) {
	if at, ok := l.entries[key]; ok {
		l.order.Remove(at)
		delete(l.entries, key)
	}
}
