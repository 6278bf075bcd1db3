/* SPDX-License-Identifier: BSD-3-Clause */
/* A connection over a page that the other side can write. Source: Xen public/io/xs_wire.h. */
#include "store/private.h"

#include <errno.h>

#include "base/shared.h"

#define RING XENSTORE_RING_SIZE

static volatile struct xenstore_domain_interface *page_of(const struct store_ring *r)
{
	return r->page;
}

static void on_wake(struct store_conn *c, void *arg)
{
	struct store_ring *r = arg;

	(void)c;
	if (r->wake)
		r->wake(r);
}

int store_ring_open(struct store *s, uint32_t domid, volatile void *page, bool adopt,
		    struct store_ring *r, struct err *e)
{
	static const struct store_conn_ops ops = {on_wake};
	volatile struct xenstore_domain_interface *p = page;
	uint32_t sent;
	struct store_domain *d = store_domain(s, domid, false);
	int rc;

	if (!adopt && d && d->ring && !d->ring->attached)
		store_conn_end(d->ring); /* of one that had this id before */
	rc = store_conn_new(s, domid, true, &ops, r, &r->conn, e);
	if (rc < 0)
		return rc;
	r->page = page;
	r->broken = false;
	r->polling = false;
	r->untold = false;
	r->req_cons = shared_load(&p->req_cons);
	r->rsp_prod = shared_load(&p->rsp_prod);
	if (!adopt || !r->conn->replayed) {
		r->conn->in_pos = r->req_cons;
		r->conn->out_pos = r->rsp_prod;
		store_begin(s);
		store_conn_log(r->conn);
		store_end(s);
		return 0;
	}
	/* After a kill the journal has at least the input that was taken, and at most the output
	 * that was given. */
	r->req_cons = r->conn->in_pos + r->conn->in_len;
	sent = r->rsp_prod - r->conn->out_pos;
	if (sent <= r->conn->out_len)
		store_conn_sent(r->conn, sent);
	else
		r->rsp_prod = r->conn->out_pos;
	shared_store_release(&p->req_cons, r->req_cons);
	shared_store_release(&p->rsp_prod, r->rsp_prod);
	return 0;
}

/* The other side may overwrite bytes that were taken, so the index is written after the journal. */
static void notify_taken(struct store_ring *r)
{
	if (!r->untold || store_is_stuck(r->conn->s))
		return;
	r->untold = false;
	shared_store_release(&page_of(r)->req_cons, r->req_cons);
}

/* Takes what is there; how many bytes, or -EPROTO. */
static int read_requests(struct store_ring *r)
{
	volatile struct xenstore_domain_interface *p = page_of(r);
	uint32_t n = shared_load_acquire(&p->req_prod) - r->req_cons;
	uint32_t at = r->req_cons % RING;
	uint32_t first = n < RING - at ? n : RING - at;
	uint8_t buf[RING];
	int took;

	if (n > RING)
		return -EPROTO;
	notify_taken(r);
	if (n == 0)
		return 0;
	shared_read(buf, p->req + at, first);
	shared_read(buf + first, p->req, n - first);
	took = store_conn_input(r->conn, buf, n);
	if (took > 0) {
		r->req_cons += (uint32_t)took;
		r->untold = true;
	}
	notify_taken(r);
	return took;
}

/* Gives what finds room. */
static int write_answers(struct store_ring *r)
{
	volatile struct xenstore_domain_interface *p = page_of(r);
	uint32_t used = r->rsp_prod - shared_load_acquire(&p->rsp_cons);
	uint32_t at = r->rsp_prod % RING;
	const uint8_t *data;
	uint32_t n;
	uint32_t first;

	if (used > RING)
		return -EPROTO;
	n = store_conn_output(r->conn, &data);
	if (n > RING - used)
		n = RING - used;
	if (n == 0)
		return 0;
	first = n < RING - at ? n : RING - at;
	shared_write(p->rsp + at, data, first);
	shared_write(p->rsp, data + first, n - first);
	r->rsp_prod += n;
	shared_store_release(&p->rsp_prod, r->rsp_prod);
	store_conn_sent(r->conn, n);
	return (int)n;
}

bool store_ring_waiting(const struct store_ring *r)
{
	return r->conn && !r->broken && shared_load(&page_of(r)->req_prod) != r->req_cons;
}

int store_ring_poll(struct store_ring *r, uint32_t budget)
{
	uint64_t until;
	bool moved = false;
	bool more = true;
	int rc = 0;

	if (r->broken || !r->conn || r->polling)
		return 0;
	r->polling = true;
	until = r->conn->requests + budget;
	while (more && rc >= 0 && r->conn->requests < until) {
		int took = read_requests(r);

		rc = took < 0 ? took : write_answers(r);
		more = took > 0 || rc > 0;
		moved = moved || more;
	}
	r->polling = false;
	if (moved && r->notify)
		r->notify(r);
	if (rc < 0) {
		r->broken = true;
		return -EPROTO;
	}
	return more;
}

void store_ring_close(struct store_ring *r)
{
	store_conn_close(r->conn);
	r->conn = NULL;
	r->page = NULL;
}
