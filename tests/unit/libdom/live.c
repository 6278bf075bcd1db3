/* SPDX-License-Identifier: BSD-3-Clause */
/* Guests that are copied while they run: rounds, what they write between these, and streams that
 * somebody has made up. */
#include "tests/unit/libdom/save_help.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libdom/live.h"

static const struct way pvh = {.type = DOM_PVH, .plain = true};
static const struct way pv = {.type = DOM_PV, .plain = true};
static struct save_stats all;
static const char owner[] = "an owner's bytes";

#define ROOM (1 << 20) /* of a pipe */

struct ends {
	int fd[2];
	struct transfer out, in;
};

static void open_pipe(struct ends *p)
{
	assert_int_equal(pipe2(p->fd, O_CLOEXEC), 0);
	assert_true(fcntl(p->fd[1], F_SETPIPE_SZ, ROOM) >= ROOM);
	assert_int_equal(transfer_open(&p->out, dup(p->fd[1]), true, NULL), 0);
	assert_int_equal(transfer_open(&p->in, dup(p->fd[0]), false, NULL), 0);
	(void)close(p->fd[0]);
	(void)close(p->fd[1]);
}

static void close_pipe(struct ends *p)
{
	transfer_close(&p->out);
	transfer_close(&p->in);
}

static void writes(const struct guest *g, uint64_t gfn, int byte)
{
	uint8_t *at = fake_page(g->d.domid, gfn);

	memset(at, byte, PAGE);
	(void)munmap(at, PAGE);
	fake_wrote(g->d.domid, gfn);
}

static void end_write(struct live *l)
{
	while (live_unmap(x, l))
		;
	live_free(l);
}

static void end_read(struct save_stream *s)
{
	while (live_read_unmap(x, s))
		;
	save_close(s);
}

static void open_shell(struct save_stream *s, struct guest *b, bool window)
{
	struct dom_spec spec = {.cap = UINT32_MAX};

	memset(b, 0, sizeof(*b));
	save_spec(s, &spec);
	assert_int_equal(dom_prepare(x, &spec, NULL, &b->d, NULL), 0);
	if (window)
		assert_int_equal(dom_window(x, &b->d, 30, NULL), 0);
}

/* --- a whole one --- */

static void what_it_writes_comes_again(void **state)
{
	(void)state;
	for (int window = 0; window < 2; window++) {
		struct ends p;
		struct guest a, b;
		struct save_source from;
		struct live *l;
		struct live_round r;
		struct save_stream *s;
		struct save_stats st;
		uint32_t round = 0;

		open_pipe(&p);
		live(&a, &pvh);
		from = source_of(&a);
		assert_int_equal(live_begin(x, &from, owner, sizeof(owner), &p.out, &all, &l, NULL),
				 0);
		assert_true(fake_notes(a.d.domid));
		assert_int_equal(live_round(x, l, &r, NULL), 0);
		assert_int_equal(r.number, 1);
		assert_int_equal(save_open_moving(x, &p.in, &s, NULL), 0);
		assert_true(live_is(s));
		assert_memory_equal(save_info(s)->owner, owner, sizeof(owner));
		open_shell(s, &b, window);
		assert_int_equal(live_read(x, s, &b.d, &round, NULL), 1);
		assert_int_equal(round, 1);
		assert_int_equal(first_byte(b.d.domid, 5), 6);
		assert_int_equal(first_byte(b.d.domid, ZERO), 0);
		writes(&a, 5, 0xee);
		writes(&a, UNUSED + 2, 0xdd); /* used now */
		assert_int_equal(live_look(x, l, &r, NULL), 1);
		assert_int_equal(r.left, 2);
		assert_int_equal(live_round(x, l, &r, NULL), 0);
		assert_int_equal(r.pages, 2);
		assert_int_equal(live_read(x, s, &b.d, &round, NULL), 1);
		assert_int_equal(round, 2);
		assert_int_equal(first_byte(b.d.domid, 5), 0xee);
		writes(&a, 6, 0);
		writes(&a, 5, 0xcc);
		assert_int_equal(live_end(x, l, &st, NULL), 0);
		assert_int_equal(live_read(x, s, &b.d, &round, NULL), 0);
		assert_int_equal(save_restore(x, s, &b.d, &st, NULL), 0);
		for (uint64_t gfn = 0; gfn < UNUSED; gfn++)
			assert_int_equal(first_byte(b.d.domid, gfn), first_byte(a.d.domid, gfn));
		assert_int_equal(first_byte(b.d.domid, 5), 0xcc);
		assert_int_equal(first_byte(b.d.domid, 6), 0);
		assert_int_equal(first_byte(b.d.domid, UNUSED + 2), 0xdd);
		end_write(l);
		end_read(s);
		dom_window_close(x, &b.d);
		(void)dom_destroy(x, &b.d, NULL);
		end(&a);
		close_pipe(&p);
	}
}

static void it_ends_when_little_is_left_or_nothing_helps(void **state)
{
	struct transfer out;
	struct guest a;
	struct save_source from;
	struct live *l;
	struct live_round r;
	uint32_t rounds = 0;
	int rc;

	(void)state;
	guest_pages = 256;
	assert_int_equal(transfer_open(&out, open("/dev/null", O_WRONLY | O_CLOEXEC), true, NULL),
			 0);
	live(&a, &pvh);
	from = source_of(&a);
	assert_int_equal(live_begin(x, &from, owner, sizeof(owner), &out, &all, &l, NULL), 0);
	do { /* it writes less each time, but never few */
		assert_int_equal(live_round(x, l, &r, NULL), 0);
		rounds++;
		for (uint64_t gfn = 0; gfn < 100 - rounds; gfn++)
			writes(&a, 128 + gfn, 1);
		rc = live_look(x, l, &r, NULL);
		assert_true(rc >= 0);
		assert_int_equal(r.left, 100 - rounds);
	} while (rc == 0);
	assert_int_equal(rounds, LIVE_ROUNDS);
	end_write(l);
	/* the same pages in each round */
	assert_int_equal(live_begin(x, &from, owner, sizeof(owner), &out, &all, &l, NULL), 0);
	assert_int_equal(live_round(x, l, &r, NULL), 0);
	for (uint64_t gfn = 0; gfn < 60; gfn++)
		writes(&a, 128 + gfn, 2);
	assert_int_equal(live_look(x, l, &r, NULL), 0);
	assert_int_equal(live_round(x, l, &r, NULL), 0);
	assert_int_equal(r.pages, 60);
	for (uint64_t gfn = 0; gfn < 60; gfn++)
		writes(&a, 128 + gfn, 3);
	assert_int_equal(live_look(x, l, &r, NULL), 1);
	end_write(l);
	end(&a);
	transfer_close(&out);
	guest_pages = PAGES;
}

static void pv_is_refused(void **state)
{
	struct ends p;
	struct guest a;
	struct save_source from;
	struct live *l;
	struct err e = {0};

	(void)state;
	open_pipe(&p);
	live(&a, &pv);
	from = source_of(&a);
	assert_int_equal(live_begin(x, &from, owner, sizeof(owner), &p.out, &all, &l, &e),
			 -EOPNOTSUPP);
	assert_non_null(strstr(err_msg(&e), "PV guests"));
	end_write(l);
	end(&a);
	close_pipe(&p);
}

/* Each call of Xen fails once: nothing stays mapped. */
static void calls_that_fail(void **state)
{
	struct guest a;
	struct save_source from;

	(void)state;
	live(&a, &pvh);
	from = source_of(&a);
	for (uint32_t nth = 1;; nth++) {
		struct live_round r;
		struct save_stats st;
		struct ends p;
		struct live *l;
		struct err e = {0};
		int rc;

		open_pipe(&p);
		fake_fail_at(nth, EIO);
		rc = live_begin(x, &from, owner, sizeof(owner), &p.out, &all, &l, &e);
		if (rc == 0)
			rc = live_round(x, l, &r, &e);
		if (rc == 0)
			rc = live_look(x, l, &r, &e) < 0 ? -EIO : 0;
		if (rc == 0)
			rc = live_end(x, l, &st, &e);
		end_write(l);
		close_pipe(&p);
		if (!fake_failed())
			break;
		assert_true(rc < 0);
		assert_true(e.msg[0]);
	}
	fake_fail_at(0, 0);
	end(&a);
}

/* --- made up --- */

struct bytes {
	uint8_t *at;
	size_t n, sections; /* where the first batch is */
};

/* One round and the end. */
static void record(struct bytes *out)
{
	struct ends p;
	struct guest a;
	struct save_source from;
	struct live *l;
	struct live_round r;
	struct save_stats st;
	struct save_header h;

	open_pipe(&p);
	live(&a, &pvh);
	from = source_of(&a);
	assert_int_equal(live_begin(x, &from, owner, sizeof(owner), &p.out, &all, &l, NULL), 0);
	assert_int_equal(live_round(x, l, &r, NULL), 0);
	writes(&a, 5, 0xee);
	assert_int_equal(live_end(x, l, &st, NULL), 0);
	end_write(l);
	end(&a);
	out->at = malloc(ROOM);
	out->n = (size_t)read(p.in.fd, out->at, ROOM);
	memcpy(&h, out->at, sizeof(h));
	out->sections = sizeof(h) + save_sections(&h);
	close_pipe(&p);
}

static int play(const struct bytes *b, struct err *e)
{
	struct ends p;
	struct guest g;
	struct save_stream *s;
	struct save_stats st;
	uint32_t round;
	int rc;

	open_pipe(&p);
	assert_int_equal(write(p.out.fd, b->at, b->n), b->n);
	transfer_close(&p.out);
	rc = save_open_moving(x, &p.in, &s, e);
	if (rc == 0) {
		open_shell(s, &g, false);
		while ((rc = live_read(x, s, &g.d, &round, e)) == 1)
			;
		if (rc == 0)
			rc = save_restore(x, s, &g.d, &st, e);
		end_read(s);
		(void)dom_destroy(x, &g.d, NULL);
	}
	transfer_close(&p.in);
	return rc;
}

static void what_is_made_up_is_refused(void **state)
{
	struct bytes b;
	struct save_batch *h;
	struct save_run *run;
	struct err e = {0};

	(void)state;
	record(&b);
	assert_int_equal(play(&b, &e), 0);
	h = (struct save_batch *)(void *)(b.at + b.sections);
	run = (struct save_run *)(void *)(h + 1);
	assert_int_equal(h->kind, SAVE_BATCH_PAGES);
	for (int i = 0; i < 12; i++) {
		struct save_batch was = *h;
		struct save_run first = run[0], second = run[1];
		size_t n = b.n;

		switch (i) {
		case 0:
			h->kind = 9;
			break;
		case 1:
			h->runs = SAVE_BATCH_MOST + 1;
			break;
		case 2:
			h->runs = 0;
			break;
		case 3:
			h->n++;
			break;
		case 4:
			run[0].gfn = UINT64_MAX - 1;
			break;
		case 5:
			run[0].pages = PAGES + 1;
			break;
		case 6:
			run[0].pages = 0;
			break;
		case 7:
			run[0].kind = SAVE_RUN_L1;
			break;
		case 8: /* descending */
			run[1].gfn = run[0].gfn;
			break;
		case 9: /* the checksum finds it: the toolstack's pages cannot be reached */
			run[0].gfn++;
			run[0].pages--;
			run[1].gfn--;
			run[1].pages++;
			run[1].kind = run[0].kind;
			run[0].kind = second.kind;
			break;
		case 10:
			h->kind = SAVE_BATCH_LAST;
			break;
		default:
			b.n = b.sections + 100;
			break;
		}
		e = (struct err){0};
		assert_true(play(&b, &e) < 0);
		assert_true(e.msg[0]);
		*h = was;
		run[0] = first;
		run[1] = second;
		b.n = n;
	}
	free(b.at);
}

/* Pages of the toolstack, rounds without an end. */
static void what_is_not_its_own_is_refused(void **state)
{
	struct bytes b;
	struct save_header h;
	struct save_batch *at;
	struct save_run *run;
	struct err e = {0};

	(void)state;
	record(&b);
	memcpy(&h, b.at, sizeof(h));
	at = (struct save_batch *)(void *)(b.at + b.sections);
	run = (struct save_run *)(void *)(at + 1);
	for (int i = 0; i < 2; i++) {
		*at = (struct save_batch){SAVE_BATCH_PAGES, 1, 0};
		*run = (struct save_run){i ? h.control_gfn : h.dev_gfn, 1, SAVE_RUN_ZERO};
		e = (struct err){0};
		assert_int_equal(play(&b, &e), -EPROTO);
		assert_non_null(strstr(e.msg, "toolstack's"));
	}
	for (uint32_t i = 0; i < SAVE_ROUNDS_MAX + 5; i++)
		at[i] = (struct save_batch){SAVE_BATCH_ROUND, 0, i + 1};
	e = (struct err){0};
	assert_int_equal(play(&b, &e), -EPROTO);
	assert_non_null(strstr(e.msg, "rounds"));
	*at = (struct save_batch){SAVE_BATCH_ROUND, 0, 2};
	assert_int_equal(play(&b, &e), -EPROTO);
	free(b.at);
}

static void files_have_no_rounds(void **state)
{
	struct save_stream *s;
	struct transfer t;
	struct bytes b;
	struct err e = {0};
	int fd = memfd_create("moving", MFD_CLOEXEC);

	(void)state;
	record(&b);
	assert_int_equal(write(fd, b.at, b.n), b.n);
	for (int moving = 0; moving < 2; moving++) {
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		assert_int_equal(transfer_open(&t, dup(fd), false, NULL), 0);
		assert_int_equal(moving ? save_open_moving(x, &t, &s, &e)
					: save_open(x, &t, &s, &e),
				 -EPROTO);
		assert_non_null(strstr(e.msg, "migration"));
		transfer_close(&t);
	}
	(void)close(fd);
	free(b.at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SAVE(what_it_writes_comes_again),
		SAVE(it_ends_when_little_is_left_or_nothing_helps),
		SAVE(pv_is_refused),
		SAVE(calls_that_fail),
		SAVE(what_is_made_up_is_refused),
		SAVE(what_is_not_its_own_is_refused),
		SAVE(files_have_no_rounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
