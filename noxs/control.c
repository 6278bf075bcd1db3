/* SPDX-License-Identifier: BSD-3-Clause */
/* The control page: every index is loaded once, checked, and only then used. */
#include <errno.h>
#include <string.h>

#include "noxs/control.h"

#include "base/shared.h"

void noxs_control_adopt(struct noxs_control_end *c, volatile void *page)
{
	noxs_control_init(c, page);
	c->out_cons = shared_load(&c->page->out_cons);
	c->in_prod = shared_load(&c->page->in_prod);
	c->request_seq = shared_load(&c->page->request_seq);
}

bool noxs_console_resume(struct noxs_control_end *c, uint32_t cons)
{
	uint32_t prod = shared_load_acquire(&c->page->out_prod);

	if (prod - cons <= NOXS_CONSOLE_OUT_SIZE) {
		c->out_cons = cons;
		return true;
	}
	if (prod - c->out_cons > NOXS_CONSOLE_OUT_SIZE)
		c->out_cons = prod;
	return false;
}

static int broken(struct noxs_control_end *c)
{
	if (c->broken)
		return 0;
	c->broken = true;
	return -EPROTO;
}

int noxs_console_take(struct noxs_control_end *c, void *buf, uint32_t room)
{
	uint32_t prod = shared_load_acquire(&c->page->out_prod);
	uint32_t n = prod - c->out_cons;
	uint32_t at = c->out_cons % NOXS_CONSOLE_OUT_SIZE;
	uint32_t first;

	if (c->broken || n > NOXS_CONSOLE_OUT_SIZE)
		return broken(c);
	if (n > room)
		n = room;
	first = n < NOXS_CONSOLE_OUT_SIZE - at ? n : NOXS_CONSOLE_OUT_SIZE - at;
	shared_read(buf, c->page->console_out + at, first);
	shared_read((char *)buf + first, c->page->console_out, n - first);
	c->out_cons += n;
	return (int)n;
}

void noxs_console_release(struct noxs_control_end *c)
{
	shared_store_release(&c->page->out_cons, c->out_cons);
}

uint32_t noxs_console_room(const struct noxs_control_end *c)
{
	uint32_t used = c->in_prod - shared_load(&c->page->in_cons);

	return used > NOXS_CONSOLE_IN_SIZE ? NOXS_CONSOLE_IN_SIZE : NOXS_CONSOLE_IN_SIZE - used;
}

int noxs_console_put(struct noxs_control_end *c, const void *data, uint32_t len)
{
	uint32_t cons = shared_load_acquire(&c->page->in_cons);
	uint32_t used = c->in_prod - cons;
	uint32_t at = c->in_prod % NOXS_CONSOLE_IN_SIZE;
	uint32_t n;
	uint32_t first;

	if (c->broken || used > NOXS_CONSOLE_IN_SIZE)
		return broken(c);
	n = NOXS_CONSOLE_IN_SIZE - used;
	if (n > len)
		n = len;
	first = n < NOXS_CONSOLE_IN_SIZE - at ? n : NOXS_CONSOLE_IN_SIZE - at;
	shared_write(c->page->console_in + at, data, first);
	shared_write(c->page->console_in, (const char *)data + first, n - first);
	c->in_prod += n;
	if (n)
		shared_store_release(&c->page->in_prod, c->in_prod);
	return (int)n;
}

void noxs_control_request(struct noxs_control_end *c, enum noxs_request req)
{
	shared_store(&c->page->request, (uint32_t)req);
	c->request_seq++;
	shared_store_release(&c->page->request_seq, c->request_seq);
}

void noxs_control_words(const struct noxs_control_end *c, struct noxs_guest_words *out)
{
	uint32_t state = shared_load_acquire(&c->page->state);
	uint32_t code = shared_load(&c->page->exit_code);

	out->state = state <= NOXS_STATE_STOPPING ? (enum noxs_state)state : NOXS_STATE_BOOTING;
	out->exit_code_ok = code <= 255;
	out->exit_code = out->exit_code_ok ? code : 255;
}

uint32_t noxs_control_fork_seq(const struct noxs_control_end *c)
{
	return shared_load_acquire(&c->page->fork_seq);
}

void noxs_control_fork(const struct noxs_control_end *c, struct noxs_fork_request *out)
{
	out->seq = noxs_control_fork_seq(c);
	out->slot = shared_load(&c->page->fork_slot);
	for (uint32_t i = 0; i < NOXS_FORK_PAGES; i++)
		out->frame[i] = shared_load(&c->page->fork_frame[i]);
}

int noxs_control_waits(const volatile void *page)
{
	const volatile struct noxs_control *c = page;
	uint32_t waits = shared_load_acquire(&c->waits);

	if (waits > NOXS_WAITS || shared_load(&c->state) || shared_load(&c->out_prod) ||
	    shared_load(&c->in_cons) || shared_load(&c->can))
		return -EPROTO;
	return waits == NOXS_WAITS;
}
