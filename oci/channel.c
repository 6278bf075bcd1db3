/* SPDX-License-Identifier: BSD-3-Clause */
/* A connection to chaosd, opened again when that is another; the link makes good what was lost. */
#include "oci/channel.h"

#include <errno.h>
#include <poll.h>

#include "base/random.h"
#include "oci/vm.h"

#define AGAIN_MS 200
/* chaosd may still know the connection of what has held the channel before. */
#define BUSY_TIMES 25

void channel_hang_up(struct linux_monitor *m)
{
	chaos_close(m->chaos);
	m->chaos = NULL;
}

static void to_channel(void *arg, const void *bytes, size_t len)
{
	struct linux_monitor *m = arg;
	struct chaos_request rq;

	if (!m->chaos)
		return; /* it is sent again */
	chaos_request_init(&rq, CHAOS_INPUT);
	rq.tag = m->tag;
	rq.data = bytes;
	rq.len = len;
	if (chaos_send(m->chaos, &rq, NULL, NULL) < 0)
		channel_hang_up(m);
}

static void message(void *arg, uint8_t type, uint8_t session, const uint8_t *data, size_t len)
{
	const struct linux_monitor *m = arg;

	if (m->ring.used && type != LINK_RING)
		return; /* the guest has said that all else comes by the ring */
	session_message(arg, type, session, data, len);
}

static void begun(void *arg)
{
	(void)arg;
}

static void bell(void *arg)
{
	((struct linux_monitor *)arg)->ring.look = true;
}

const struct link_ops channel_link_ops = {
	.out = to_channel, .message = message, .begun = begun, .bell = bell};

void channel_connect(struct linux_monitor *m)
{
	struct chaos_request rq;
	uint64_t number = 0;

	if (chaos_open(&m->chaos, NULL, NULL) < 0)
		return;
	chaos_request_init(&rq, CHAOS_CONSOLE);
	rq.vm = m->c->uuid;
	rq.flags = CHAOS_FOLLOW | CHAOS_AGENT;
	if (chaos_send(m->chaos, &rq, &m->tag, NULL) < 0) {
		channel_hang_up(m);
		return;
	}
	m->fresh = true;
	if (m->began) {
		link_again(&m->agent.link);
		return;
	}
	(void)random_bytes(&number, sizeof(number), "link", NULL);
	m->began = true;
	link_begin(&m->agent.link, number | 1);
}

static void vm_ended(struct linux_monitor *m, int code)
{
	m->ended = true;
	m->code = m->killed ? 128 + m->killed : code;
	(void)err_set(&m->why, EPIPE, "the VM ended");
}

/* What holds the channel of a VM that is no container does so only when it can. */
static void refused(struct linux_monitor *m, const struct chaos_reply *r)
{
	channel_hang_up(m);
	if (m->holds && (r->error != EBUSY || ++m->busy > BUSY_TIMES)) {
		m->ended = true;
		(void)err_set(&m->why, r->error, "%s", r->message);
		return;
	}
	(void)poll(NULL, 0, AGAIN_MS);
}

void channel_read(struct linux_monitor *m)
{
	static struct chaos_reply r; /* it is large */

	while (m->chaos && !m->ended) {
		int rc = chaos_receive(m->chaos, &r, 0, NULL);

		if (rc == -EAGAIN)
			return;
		if (rc < 0) {
			channel_hang_up(m);
			return;
		}
		if (r.error && r.error != ESRCH) {
			refused(m, &r);
			return;
		}
		if (r.tag != m->tag)
			continue;
		if (r.error)
			vm_ended(m, 137);
		if (r.lost) {
			link_again(&m->agent.link);
			ring_check(m, m->fresh);
			m->fresh = false;
		}
		if (r.len > 0)
			link_input(&m->agent.link, r.data, r.len);
		if (r.last && !r.error && r.has_vm)
			vm_ended(m, vm_exit_code(&r.vm));
	}
}
