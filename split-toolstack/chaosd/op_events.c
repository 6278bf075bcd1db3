/* SPDX-License-Identifier: BSD-3-Clause */
/* Subscriptions: a few frames in each turn of the loop, so that requests wait for a few frames
 * and not for a thousand subscribers. */
#include <errno.h>

#include <utlist.h>

#include "split-toolstack/chaosd/feed.h"
#include "split-toolstack/chaosd/ops.h"
#include "split-toolstack/chaosd/stream.h"

/* Frames in one turn: 50 us. */
#define FRAMES_AT_ONCE 16u
#define VISITS_AT_ONCE 64u
/* Gap between turns while requests come, and until QUIET_S after the last one. */
#define GAP_S	0.001
#define QUIET_S 0.002

static struct {
	struct conns *conns;
	struct stream *behind; /* utlist: subscribers that may have unsent events */
	struct stream *even;   /* the others */
	ev_timer turn;
} subs;

/* Sends events that a subscriber has not seen, as long as the socket takes them. One that reads
 * too slowly gets the number of those it has lost. Returns the number of frames, at most `most`. */
static uint32_t pump(struct stream *st, uint32_t most)
{
	struct conn *c = st->c;
	uint32_t n = 0;

	while (n < most && !c->gone && !c->queue && st->pos < feed_next()) {
		struct wire_out w;

		reply_begin(c, &w, PROTO_ITEM, st->tag);
		if (st->pos < feed_oldest()) {
			wire_u64(&w, PROTO_LOST, feed_oldest() - st->pos);
			st->pos = feed_oldest();
		} else {
			feed_put(st->pos++, &w);
		}
		n++;
		reply_send(c, &w);
	}
	return n;
}

/* The ends of both lists show which list it is in; in between that is not needed. */
static void unlist(struct stream *st)
{
	if (subs.behind && (subs.behind == st || subs.behind->peer_prev == st)) {
		DL_DELETE2(subs.behind, st, peer_prev, peer_next);
	} else if (subs.even && (subs.even == st || subs.even->peer_prev == st)) {
		DL_DELETE2(subs.even, st, peer_prev, peer_next);
	} else {
		st->peer_prev->peer_next = st->peer_next;
		st->peer_next->peer_prev = st->peer_prev;
	}
}

/* One turn: a subscriber with more unsent events gets its next turn after the others. */
static void serve(void)
{
	uint32_t frames = 0;

	for (uint32_t n = 0; n < VISITS_AT_ONCE && frames < FRAMES_AT_ONCE && subs.behind; n++) {
		struct stream *st = subs.behind;
		struct conn *c = st->c;

		conn_ref(c);
		frames += pump(st, FRAMES_AT_ONCE - frames);
		if (!c->gone) { /* otherwise it is freed */
			unlist(st);
			if (!c->queue && st->pos < feed_next())
				DL_APPEND2(subs.behind, st, peer_prev, peer_next);
			else
				DL_APPEND2(subs.even, st, peer_prev, peer_next);
		}
		conn_unref(c);
	}
}

static void again(void)
{
	bool busy = ev_now(subs.conns->loop) - subs.conns->last_request < QUIET_S;

	if (!subs.behind || ev_is_active(&subs.turn))
		return;
	ev_timer_set(&subs.turn, busy ? GAP_S : 0., 0.);
	ev_timer_start(subs.conns->loop, &subs.turn);
}

static void on_turn(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)loop;
	(void)t;
	(void)revents;
	serve();
	again();
}

/* The client reads again: what it has not seen comes in turns. */
static void room(struct stream *st)
{
	unlist(st);
	DL_APPEND2(subs.behind, st, peer_prev, peer_next);
	again();
}

/* There are new events, and requests have their answers. */
static void on_news(void)
{
	DL_CONCAT2(subs.behind, subs.even, peer_prev, peer_next);
	subs.even = NULL;
	if (!ev_is_active(&subs.turn))
		serve();
	again();
}

int subscriptions_open(struct engine *en, struct conns *all, struct err *e)
{
	subs.conns = all;
	ev_init(&subs.turn, on_turn);
	return feed_open(en, all->loop, on_news, e);
}

void subscriptions_close(void)
{
	feed_close();
	ev_timer_stop(subs.conns->loop, &subs.turn);
}

static const struct stream_ops subscription_ops = {.room = room, .end = unlist};

int op_events(struct engine *en, struct request *r, struct err *e)
{
	struct stream *st = NULL;
	int rc = stream_new(r, &subscription_ops, &st, e);

	(void)en;
	if (rc < 0 || !st)
		return rc;
	st->pos = wire_get_u64(&r->in, PROTO_SINCE, feed_next() - 1) + 1;
	if (st->pos > feed_next() || st->pos == 0)
		st->pos = feed_next(); /* from the future, or from another host */
	DL_APPEND2(subs.behind, st, peer_prev, peer_next);
	again();
	return 0;
}
