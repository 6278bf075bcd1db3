/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks whether the guest of a copy is ready, as its flavor defines it. */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "split-toolstack/engine/config/device_config_ops.h"
#include "split-toolstack/engine/guest/guest_store.h"
#include "split-toolstack/engine/pool/pool-t.h"
#include "split-toolstack/engine/pool/tcp_probe.h"
#include "split-toolstack/engine/vm/parts.h"

/* Of the first vif that has one. */
static bool address_of(const struct vm *vm, uint32_t port, struct sockaddr_in *to)
{
	const struct vif_config *v = device_first_ipv4(vm_cfg(vm)->device, vm_cfg(vm)->ndevice);

	if (!v)
		return false;
	*to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	memcpy(&to->sin_addr, v->ip.ipv4, sizeof(to->sin_addr));
	return true;
}

static bool answers(struct tcp_probe *p, const struct vm *vm, uint32_t port, double now)
{
	struct sockaddr_in to;

	return address_of(vm, port, &to) && tcp_probe_answers(p, &to, now);
}

int booted_is_ready(struct tcp_probe *p, const struct booted_plan *plan, const struct vm *vm,
		    double since, double now)
{
	switch (plan->when) {
	case BOOTED_STORE:
		return guest_store_has(vm, plan->node);
	case BOOTED_TCP:
		return answers(p, vm, plan->number, now);
	case BOOTED_TIME:
		return now >= since + plan->number * 1e-3;
	case BOOTED_DEVICES:
		break;
	}
	return 1;
}
