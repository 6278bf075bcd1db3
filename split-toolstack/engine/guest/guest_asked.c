/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests to a guest without noxs, through nodes in its store: Linux acknowledges by clearing
 * the node. */
#include <errno.h>

#include "split-toolstack/engine/guest/guest-t.h"
#include "split-toolstack/engine/guest/guests-t.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/guest/guest_store.h"
#include "split-toolstack/engine/vm/parts.h"
#include "store/store.h"

/* A path below the domain's own. */
static const char *below(char path[STORE_PATH_MAX], const struct vm *vm, const char *rest)
{
	(void)snprintf(path, STORE_PATH_MAX, "/local/domain/%u/%s", vm_domid(vm), rest);
	return path;
}

static bool listens(const struct vm *vm)
{
	struct guest *g = vm_guest(vm);
	struct store_numbers n;

	return g->store.ring.conn && !g->store.ring.broken &&
	       store_domain_numbers(engine_guests(vm_engine(vm))->tree, vm_domid(vm), &n) == 0 &&
	       n.watches;
}

static int write_shutdown(struct vm *vm, const char *what)
{
	char path[STORE_PATH_MAX];

	return store_putf(engine_guests(vm_engine(vm))->tree, below(path, vm, "control/shutdown"),
			  "%s", what);
}

bool guest_store_can_ask(const struct vm *vm)
{
	return listens(vm);
}

int guest_store_ask_memory(struct vm *vm, uint64_t kib, struct err *e)
{
	char path[STORE_PATH_MAX];
	int rc = store_putf(engine_guests(vm_engine(vm))->tree, below(path, vm, "memory/target"),
			    "%llu", (unsigned long long)kib);

	return rc < 0 ? err_sys(e, -rc, "write memory/target into the store of \"%s\"", vm_name(vm))
		      : 0;
}

int guest_store_shutdown(struct vm *vm, bool reboot, struct err *e)
{
	int rc;

	if (!listens(vm))
		return err_set(e, EOPNOTSUPP,
			       "\"%s\" cannot receive requests (it has no noxs control page, and "
			       "has not connected to its store): shut it down from inside, or use "
			       "\"chaos destroy\"",
			       vm_name(vm));
	rc = write_shutdown(vm, reboot ? "reboot" : "poweroff");
	return rc < 0 ? err_sys(e, -rc, "write control/shutdown into the store of \"%s\"",
				vm_name(vm))
		      : 0;
}

bool guest_store_can_suspend(const struct vm *vm)
{
	char path[STORE_PATH_MAX];
	const char *says;
	uint32_t len = 0;

	if (!listens(vm))
		return false;
	says = store_get(engine_guests(vm_engine(vm))->tree,
			 below(path, vm, "control/feature-suspend"), &len);
	return says && len == 1 && says[0] == '1';
}

int guest_store_suspend(struct vm *vm, struct err *e)
{
	int rc = write_shutdown(vm, "suspend");

	return rc < 0 ? err_sys(e, -rc, "write control/shutdown into the store of \"%s\"",
				vm_name(vm))
		      : 0;
}

void guest_store_restored(struct vm *vm)
{
	char path[STORE_PATH_MAX];

	(void)store_putf_quiet(engine_guests(vm_engine(vm))->tree,
			       below(path, vm, "control/feature-suspend"), "%s", "1");
}

void guest_store_suspended(struct vm *vm)
{
	if (listens(vm))
		(void)write_shutdown(vm, "");
}
