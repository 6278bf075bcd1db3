/* SPDX-License-Identifier: BSD-3-Clause */
/* Functions of this room for unit tests. */
#include "split-toolstack/engine/guest/guest_test.h"

#include "split-toolstack/engine/guest/guest-t.h"
#include "split-toolstack/engine/vm/parts.h"

int console_test_swap(struct vm *vm, int fd)
{
	int was = vm_guest(vm)->log.fd;

	vm_guest(vm)->log.fd = fd;
	return was;
}

bool console_test_broken(const struct vm *vm)
{
	return vm_guest(vm)->con.broken;
}

void control_test_lose_page(struct vm *vm)
{
	vm_guest(vm)->con.page = NULL;
}

struct vm *control_test_next_unheard(const struct vm *vm)
{
	const struct guest *next = vm_guest(vm)->unheard_next;

	return next ? next->vm : NULL;
}

volatile void *channel_test_page(const struct vm *vm, uint32_t *queued)
{
	*queued = vm_guest(vm)->channel.input.len;
	return vm_guest(vm)->channel.con.page;
}

void channel_test_event(struct vm *vm)
{
	struct port_user *u = &vm_guest(vm)->channel.user;

	u->event(u);
}

bool names_test_untold(const struct vm *vm)
{
	return vm_guest(vm)->untold_prev != NULL;
}
