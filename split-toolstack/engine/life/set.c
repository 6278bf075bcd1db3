/* SPDX-License-Identifier: BSD-3-Clause */
/* Changes CPU weight, cap and memory target of a VM that runs. */
#include "split-toolstack/engine/life/set.h"

#include <errno.h>

#include "split-toolstack/engine/config/vm_config.h"
#include "split-toolstack/engine/guest/guest_store.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/verbs.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/vm.h"

#define LEAST_KIB 1024u

/* As when it was built: the memory of Linux is a multiple of 1 MiB. */
static uint64_t most_kib(const struct vm *vm)
{
	const struct vm_config *c = vm_cfg(vm);
	uint64_t kib = c->maxmem_kib > c->mem_kib ? c->maxmem_kib : c->mem_kib;

	return (kib + 1023) / 1024 * 1024;
}

static int check_memory(struct vm *vm, uint64_t kib, struct err *e)
{
	uint64_t most = most_kib(vm);

	if (kib == vm_cfg(vm)->mem_kib && vm_has_noxs(vm))
		return 0;
	if (vm_has_noxs(vm) || !guest_store_can_ask(vm))
		return err_set(e, EOPNOTSUPP,
			       "memory: the guest of \"%s\" has no balloon driver, so it cannot be "
			       "changed",
			       vm_name(vm));
	if (kib < LEAST_KIB || kib > most)
		return err_set(e, EINVAL,
			       "memory %llu KiB: %u to %llu KiB (its maxmem) are possible",
			       (unsigned long long)kib, LEAST_KIB, (unsigned long long)most);
	return 0;
}

static int set_cpu(struct vm *vm, const struct vm_settings *s, struct err *e)
{
	uint32_t weight = s->weight == VM_SET_KEEP ? 0 : s->weight;
	int rc = vm_check_domain(vm);

	if (rc == 0)
		rc = xen_domain_sched(engine_xen(vm_engine(vm)), vm_domid(vm), weight, s->cap);
	if (rc < 0)
		return err_sys(e, -rc, "set the scheduling parameters of \"%s\"", vm_name(vm));
	if (weight)
		vm_change_cfg(vm)->weight = weight;
	if (s->cap != VM_SET_KEEP)
		vm_change_cfg(vm)->cap = s->cap;
	life_record(vm);
	return 0;
}

int vm_set(struct vm *vm, const struct vm_settings *s, struct err *e)
{
	bool cpu = s->weight != VM_SET_KEEP || s->cap != VM_SET_KEEP;
	uint32_t vcpus = vm_config_vcpus(vm_cfg(vm));
	int rc = life_need_domain(vm, e);

	if (rc < 0)
		return rc;
	if (s->weight == 0 || (s->weight != VM_SET_KEEP && s->weight > 65535))
		return err_set(e, EINVAL, "cpu_weight %u: 1 to 65535 are possible", s->weight);
	if (s->cap != VM_SET_KEEP && s->cap > 100 * vcpus)
		return err_set(e, EINVAL, "cap %u: at most 100 for each of the %u vCPUs", s->cap,
			       vcpus);
	if (s->mem_kib)
		rc = check_memory(vm, s->mem_kib, e);
	if (rc == 0 && cpu)
		rc = set_cpu(vm, s, e);
	if (rc == 0 && s->mem_kib && !vm_has_noxs(vm))
		rc = guest_store_ask_memory(vm, s->mem_kib, e);
	return rc;
}
