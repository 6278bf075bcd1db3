/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/engine/life/with_devices_help.h"

#include "split-toolstack/engine/vm/parts.h"

struct vm *with(struct vm_config c, uint32_t can)
{
	struct result r = create(c, 0);

	assert_int_equal(r.rc, 0);
	work_until(vm_state(r.vm) == VM_RUNNING && connected(r.vm) == vm_cfg(r.vm)->ndevice);
	says(r.vm, can);
	return r.vm;
}

struct vm *with_vif(const char *name, enum dom_type type, uint64_t kib)
{
	struct vm_config c = guest(name, type, kib);

	give(&c, vif("br0", ""));
	return with(c, CAN);
}
