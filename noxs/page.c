/* SPDX-License-Identifier: BSD-3-Clause */
/* Filling and showing device pages. */
#include <stdbool.h>
#include <stddef.h>
#include <errno.h>
#include <string.h>

#include "noxs/page.h"

#include "base/clock.h"
#include "base/random.h"
#include "base/shared.h"

/* movabs $entry, %rax; jmp *%rax */
static void write_start(uint8_t to[NOXS_START_BYTES], uint64_t entry)
{
	to[0] = 0x48;
	to[1] = 0xb8;
	memcpy(to + 2, &entry, sizeof(entry));
	to[10] = 0xff;
	to[11] = 0xe0;
}

int noxs_page_fill(struct noxs_page *copy, const struct noxs_facts *f, struct err *e)
{
	size_t len = strlen(f->cmdline);
	int rc;

	if (len >= NOXS_CMDLINE_MAX)
		return err_set(e, EINVAL, "the command line has %zu bytes; a noxs guest takes %u",
			       len, NOXS_CMDLINE_MAX - 1);
	if (f->ndev > NOXS_MAX_DEVICES)
		return err_set(e, EINVAL, "%u devices: a noxs guest takes %u", f->ndev,
			       NOXS_MAX_DEVICES);
	memset(copy, 0, sizeof(*copy));
	copy->magic = NOXS_MAGIC;
	copy->version = NOXS_ABI_VERSION;
	copy->flags = (f->pv ? NOXS_FLAG_PV : 0) | (f->resumed ? NOXS_FLAG_RESUMED : 0) |
		      (f->gate ? NOXS_FLAG_GATE : 0);
	memcpy(copy->uuid, f->uuid, sizeof(copy->uuid));
	copy->generation = f->generation ? f->generation : 1;
	copy->domid = f->domid;
	copy->vcpus = f->vcpus;
	copy->mem_pages = f->mem_pages;
	copy->shared_info_gfn = f->shared_info_gfn;
	copy->control_gfn = f->control_gfn;
	copy->page_table_gfn = f->page_table_gfn;
	copy->page_table_pages = f->page_table_pages;
	copy->image_end_gfn = f->image_end_gfn;
	copy->wallclock_ns = clock_wall_ns();
	copy->tsc_khz = f->tsc_khz;
	rc = random_bytes(copy->seed, sizeof(copy->seed), "seed", e);
	if (rc < 0)
		return rc;
	copy->control.local_port = f->control_port;
	if (f->entry)
		write_start(copy->start, f->entry);
	copy->control.remote_port = f->control_remote;
	copy->grant_gfn = f->grant_frames ? f->grant_gfn : 0;
	copy->grant_frames = f->grant_frames;
	copy->grant_first = NOXS_GRANT_FIRST;
	copy->ndev = (uint16_t)f->ndev;
	if (f->ndev)
		memcpy(copy->dev, f->dev, f->ndev * sizeof(*f->dev));
	memcpy(copy->cmdline, f->cmdline, len + 1);
	if (f->fork) {
		copy->fork = *f->fork;
		copy->flags |= NOXS_FLAG_CHILD;
	}
	return 0;
}

void noxs_page_blank(struct noxs_page *copy)
{
	memset(copy->uuid, 0, sizeof(copy->uuid));
	memset(copy->seed, 0, sizeof(copy->seed));
	memset(copy->cmdline, 0, sizeof(copy->cmdline));
	copy->generation = 0;
	copy->wallclock_ns = 0;
}

void noxs_page_show(volatile void *page, const struct noxs_page *copy)
{
	shared_write(page, copy, sizeof(*copy));
}

bool noxs_page_open(volatile void *page)
{
	volatile struct noxs_page *p = page;

	if (!(shared_load(&p->flags) & NOXS_FLAG_GATE) || shared_load(&p->gate) == NOXS_GATE_OPEN)
		return false;
	shared_store_release(&p->gate, NOXS_GATE_OPEN);
	return true;
}

void noxs_page_take(volatile void *page, const uint8_t uuid[16])
{
	volatile struct noxs_page *p = page;

	shared_write(&p->uuid, uuid, sizeof(p->uuid));
	shared_store(&p->wallclock_ns, clock_wall_ns());
}

void noxs_page_set_remote(volatile void *page, uint32_t port)
{
	volatile struct noxs_page *p = page;

	shared_store(&p->control.remote_port, port);
}

/* --- children --- */

/* What is there may be the guest's: only that it is odd meanwhile counts. */
static void change_begin(volatile struct noxs_page *p)
{
	shared_store(&p->seq, shared_load(&p->seq) | 1);
	shared_fence();
}

static void change_end(volatile struct noxs_page *p)
{
	shared_store_release(&p->seq, (shared_load(&p->seq) | 1) + 1);
}

void noxs_page_answer_fork(volatile void *page, uint32_t seq, int32_t number, uint32_t slot,
			   const struct noxs_evtchn *channel)
{
	volatile struct noxs_page *p = page;
	const struct noxs_child lives = {.number = (uint16_t)number};

	change_begin(p);
	if (number > 0) {
		shared_write(&p->fork.evtchn, channel, sizeof(*channel));
		shared_write(&p->fork.child[slot], &lives, sizeof(lives));
	}
	shared_store(&p->fork.result, number);
	shared_store(&p->fork.seq, seq);
	change_end(p);
}

void noxs_page_child(volatile void *page, uint32_t slot, struct noxs_child is)
{
	volatile struct noxs_page *p = page;

	change_begin(p);
	shared_write(&p->fork.child[slot], &is, sizeof(is));
	change_end(p);
}

uint32_t noxs_page_answered(const volatile void *page)
{
	const volatile struct noxs_page *p = page;

	return shared_load(&p->fork.seq);
}

struct noxs_child noxs_page_child_shown(const volatile void *page, uint32_t slot)
{
	const volatile struct noxs_page *p = page;
	struct noxs_child is;

	shared_read(&is, &p->fork.child[slot], sizeof(is));
	return is;
}
