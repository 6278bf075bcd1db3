/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether the guest of a copy is as its flavor asks for before it waits. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "split-toolstack/engine/config/device_config_ops.h"
#include "split-toolstack/engine/guest/guest_store.h"
#include "split-toolstack/engine/pool/pool-t.h"
#include "split-toolstack/engine/vm/parts.h"

/* A packet that is lost is sent again by the kernel after a second: we are sooner. */
#define TRY_S 0.1

void booted_probe_close(struct booted_probe *p)
{
	if (p->fd >= 0)
		(void)close(p->fd);
	p->fd = -1;
}

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

/* Whatever becomes of it, the guest is not to keep anything of it. */
static void begin(struct booted_probe *p, const struct sockaddr_in *to, double now)
{
	const struct linger none = {.l_onoff = 1};

	booted_probe_close(p);
	p->until = now + TRY_S;
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd < 0)
		return;
	(void)setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	if (connect(p->fd, (const struct sockaddr *)to, sizeof(*to)) < 0 && errno != EINPROGRESS)
		booted_probe_close(p);
}

static bool is_connected(const struct booted_probe *p)
{
	struct pollfd f = {.fd = p->fd, .events = POLLOUT};
	socklen_t len = sizeof(int);
	int rc = 0;

	return p->fd >= 0 && poll(&f, 1, 0) == 1 && f.revents & POLLOUT &&
	       getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &rc, &len) == 0 && rc == 0;
}

static int answers(struct booted_probe *p, const struct vm *vm, uint32_t port, double now)
{
	struct sockaddr_in to;

	if (is_connected(p)) {
		booted_probe_close(p);
		return 1;
	}
	if (now >= p->until && address_of(vm, port, &to))
		begin(p, &to, now);
	return 0;
}

int booted_is_ready(struct booted_probe *p, const struct booted_plan *plan, const struct vm *vm,
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
