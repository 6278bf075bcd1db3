/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists of all VMs in pieces, while VMs come and go between two of them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "split-toolstack/engine/open.h"
#include "split-toolstack/engine/guest/names.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/services/domains.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/vm.h"
#include "split-toolstack/engine/vm/vms.h"

enum part { ASK, ALIVE, ENDED, FOREIGN, DONE };

struct listing {
	struct vm_cursor at; /* ALIVE, ENDED */
	struct engine *en;
	enum part part;
	bool want_ended, want_foreign;
	uint32_t first; /* ASK: the next domain id */
	struct xen_domain_info *foreign;
	uint32_t nforeign, room, told;
};

int listing_open(struct engine *en, bool ended, bool foreign, struct listing **out, struct err *e)
{
	struct listing *l = calloc(1, sizeof(*l));

	*out = l;
	if (!l)
		return err_set(e, ENOMEM, "out of memory");
	l->en = en;
	l->want_ended = ended;
	l->want_foreign = foreign;
	vm_cursor_open(&l->at, en);
	return 0;
}

void listing_close(struct listing *l)
{
	if (!l)
		return;
	vm_cursor_close(&l->at);
	free(l->foreign);
	free(l);
}

static bool note_foreign(struct listing *l, const struct xen_domain_info *info)
{
	if (l->nforeign == l->room) {
		uint32_t room = l->room ? l->room * 2 : 16;
		struct xen_domain_info *grown = realloc(l->foreign, room * sizeof(*grown));

		if (!grown)
			return false;
		l->foreign = grown;
		l->room = room;
	}
	l->foreign[l->nforeign++] = *info;
	return true;
}

/* Of ours what Xen counts is kept; foreign ones wait until ours are told. */
static int read_domains(struct listing *l, uint32_t most, struct err *e)
{
	struct xen_domain_info info[DOMAINS_AT_ONCE];
	struct engine *en = l->en;
	uint32_t max = most < DOMAINS_AT_ONCE ? most : DOMAINS_AT_ONCE;
	int n = xen_domain_list(engine_xen(en), l->first, max, info);

	if (n < 0)
		return err_sys(e, -n, "read the list of domains from Xen");
	for (int i = 0; i < n; i++) {
		struct vm *vm = vm_by_domid(en, info[i].domid);

		if (vm && memcmp(vm_uuid_bytes(vm), info[i].uuid, 16) == 0)
			vm_see(vm, &info[i]);
		else if (l->want_foreign && domain_is_foreign(en, &info[i]) &&
			 !note_foreign(l, &info[i]))
			return err_set(e, ENOMEM, "out of memory");
	}
	if ((uint32_t)n == max) {
		l->first = info[n - 1].domid + 1;
		return 0;
	}
	l->part = ALIVE;
	vm_cursor_begin(&l->at, vms_alive(en));
	return 0;
}

/* The next one of its list that was in it when the listing began. */
static struct vm *next_vm(struct listing *l)
{
	struct vm *vm = vm_cursor_next(&l->at);

	if (!vm && l->part == ALIVE && l->want_ended) {
		l->part = ENDED;
		vm_cursor_begin(&l->at, vms_ended(l->en));
		vm = vm_cursor_next(&l->at);
	}
	return vm;
}

static void list_foreign(struct listing *l, listing_foreign_fn *fn, void *arg)
{
	const struct xen_domain_info *info = &l->foreign[l->told++];

	fn(info, names_of(l->en, info), arg);
}

int listing_more(struct listing *l, uint32_t most, listing_vm_fn *fn, listing_foreign_fn *foreign,
		 void *arg, struct err *e)
{
	if (l->part == ASK) {
		int rc = read_domains(l, most, e);

		if (rc < 0 || l->part == ASK)
			return rc < 0 ? rc : 1;
	}
	for (uint32_t left = most; left && l->part < FOREIGN; left--, most--) {
		struct vm *vm = next_vm(l);
		struct vm_info info;

		if (!vm) {
			l->part = FOREIGN;
			break;
		}
		vm_known_info(vm, &info);
		fn(&info, arg);
	}
	for (; most && l->part == FOREIGN; most--) {
		if (l->told == l->nforeign)
			l->part = DONE;
		else
			list_foreign(l, foreign, arg);
	}
	return l->part != DONE;
}
