/* SPDX-License-Identifier: BSD-3-Clause */
/* The control channel: ready, waiting, pings and requests; and the end. */
#include "kit.h"

#include <xen/event_channel.h>
#include <xen/sched.h>

#include "hypercall.h"

void kit_notify(void)
{
	struct evtchn_send send = {.port = kit.port};

	(void)hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &send);
}

void kit_shutdown(unsigned int reason, uint32_t exit_code)
{
	struct sched_shutdown arg = {.reason = reason};

	if (kit.page) {
		kit.control->exit_code = exit_code & 0xff;
		__atomic_store_n(&kit.control->state, NOXS_STATE_STOPPING, __ATOMIC_RELEASE);
		kit_notify();
	}
	for (;;)
		(void)hypercall2(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &arg);
}

void kit_stop(unsigned int reason)
{
	void (*at_stop)(void) = kit.at_stop;

	kit.at_stop = NULL; /* it may wait, and be asked again */
	if (at_stop)
		at_stop();
	kit_shutdown(reason, 0);
}

void kit_ready(void)
{
	if (!kit.page) {
		static const char hello[] = "ready\r\n";

		kit_write(hello, sizeof(hello) - 1);
		return;
	}
	__atomic_store_n(&kit.control->state, NOXS_STATE_READY, __ATOMIC_RELEASE);
	kit_notify();
}

static void answer(void)
{
	uint32_t ping;
	uint32_t seq;

	if (!kit.page)
		return;
	ping = __atomic_load_n(&kit.control->ping, __ATOMIC_ACQUIRE);
	if (ping != kit.control->pong) {
		__atomic_store_n(&kit.control->pong, ping, __ATOMIC_RELEASE);
		kit_notify();
	}
	seq = __atomic_load_n(&kit.control->request_seq, __ATOMIC_ACQUIRE);
	if (seq != kit.request_seen) {
		uint32_t request = kit.control->request;

		kit.request_seen = seq;
		kit.control->request_ack = seq;
		if (request == NOXS_REQ_POWEROFF || request == NOXS_REQ_REBOOT) {
			kit.control->state = NOXS_STATE_STOPPING;
			kit_notify();
			kit_stop(request == NOXS_REQ_REBOOT ? SHUTDOWN_reboot : SHUTDOWN_poweroff);
		}
		if (request == NOXS_REQ_SUSPEND)
			kit_suspend();
	}
}

static void wait_for(evtchn_port_t *ports, uint32_t n, uint64_t timeout_ns)
{
	struct sched_poll poll = {
		.nr_ports = n,
		.timeout = timeout_ns ? kit_xen_ns() + timeout_ns : 0,
	};
	uint64_t lived = kit.generation;

	set_xen_guest_handle(poll.ports, ports);
	(void)hypercall2(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll);
	kit_look_around();
	for (uint32_t i = 0; lived == kit.generation && i < n; i++) /* ports of this domain */
		(void)__atomic_fetch_and(&kit.shared->evtchn_pending[ports[i] / 64],
					 ~(1ul << (ports[i] % 64)), __ATOMIC_ACQ_REL);
	answer();
}

void kit_wait(uint64_t timeout_ns)
{
	wait_for(kit.listen, kit.listeners, timeout_ns);
}

void kit_wait_port(uint32_t port, uint64_t timeout_ns)
{
	wait_for(&port, 1, timeout_ns);
}

void kit_listen(uint32_t port)
{
	for (uint32_t i = 0; i < kit.listeners; i++)
		if (kit.listen[i] == port)
			return;
	if (kit.listeners < KIT_PORTS)
		kit.listen[kit.listeners++] = port;
}
