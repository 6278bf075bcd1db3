/* SPDX-License-Identifier: BSD-3-Clause */
/* One loop: the agent's channel, the files of each session, requests and signals. Whatever comes of
 * the channel is a guest's: checked, and bounded. */
#include "oci/linux.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "join/join.h"
#include "oci/channel.h"
#include "oci/control.h"
#include "oci/pod.h"
#include "oci/requests.h"
#include "oci/session.h"
#include "oci/vm.h"

#define HELLO_MS 1000	 /* until the agent is greeted again, which may have missed it */
#define RETRY_MS 200	 /* until chaosd answers again */
#define IDLE_MS	 2000	 /* that one which holds a channel stays without work */
#define WAIT_MS	 300000u /* for the agent of a VM that boots */

/* --- the loop --- */

enum { P_CHAOS, P_LISTENER, P_SIGNALS, P_FIRST };
enum { S_IN, S_OUT, S_ERR, S_ASKER, S_COUNT };
#define P_COUNT (P_FIRST + S_COUNT * LINK_SESSIONS)

static void prepare(struct linux_monitor *m, struct pollfd *p, int listener, int signals)
{
	bool room = !m->agent.first && (!m->agent.link.ring || ring_has_room(m));

	for (unsigned int i = 0; i < P_COUNT; i++)
		p[i] = (struct pollfd){.fd = -1, .events = POLLIN};
	p[P_CHAOS].fd = m->chaos ? chaos_fd(m->chaos) : -1;
	p[P_LISTENER].fd = listener;
	p[P_SIGNALS].fd = signals;
	for (unsigned int i = 0; i < LINK_SESSIONS; i++) {
		struct pollfd *q = p + P_FIRST + i * S_COUNT;
		const struct session *s = m->session[i];

		if (!s)
			continue;
		if ((s->runs || s->makes) && s->in_room && room)
			q[S_IN].fd = s->in;
		else if (s->runs && s->pty) /* for its end alone */
			q[S_IN] = (struct pollfd){.fd = s->in};
		q[S_OUT] = (struct pollfd){.fd = s->out[0].len ? s->out[0].fd : -1, POLLOUT, 0};
		q[S_ERR] = (struct pollfd){.fd = s->out[1].len ? s->out[1].fd : -1, POLLOUT, 0};
		if (i > 0)
			q[S_ASKER].fd = s->asker;
	}
}

static void serve_session(struct linux_monitor *m, uint8_t number, const struct pollfd *q)
{
	if (q[S_OUT].revents)
		session_to_engine(m, number, 0);
	if (q[S_ERR].revents)
		session_to_engine(m, number, 1);
	if (q[S_IN].revents & (POLLHUP | POLLERR) && m->session[number]->pty)
		session_hang_up(m, number);
	else if (q[S_IN].revents)
		session_from_engine(m, number);
	if (q[S_ASKER].revents)
		requests_asker(m, number);
}

static uint64_t now_ms(void)
{
	return clock_ns() / 1000000;
}

/* The container's process is over, and the engine takes nothing of what it has said last. */
static void drop_last(struct linux_monitor *m)
{
	struct session *s = m->session[0];

	if (!s || !s->over || now_ms() - m->taken_ms < MONITOR_LAST_MS)
		return;
	shut(&s->out[0].fd);
	shut(&s->out[1].fd);
}

static void turn(struct linux_monitor *m, int listener, int signals)
{
	struct pollfd p[P_COUNT];
	bool over = m->session[0] && m->session[0]->over;
	int n;

	if (!m->chaos)
		channel_connect(m);
	prepare(m, p, listener, signals);
	n = poll(p, P_COUNT,
		 m->ring.look && m->ring.used		  ? 0
		 : !m->chaos				  ? RETRY_MS
		 : m->agent.link.up && !over && !m->holds ? -1
							  : HELLO_MS);
	if (n == 0 && !m->ring.look && m->chaos && !m->agent.link.up)
		link_again(&m->agent.link);
	if (m->holds)
		; /* is_idle() has the time */
	else if (!over || (n > 0 && (p[P_FIRST + S_OUT].revents || p[P_FIRST + S_ERR].revents)))
		m->taken_ms = now_ms();
	else
		drop_last(m);
	for (uint8_t i = 0; n > 0 && i < LINK_SESSIONS; i++)
		if (m->session[i])
			serve_session(m, i, p + P_FIRST + i * S_COUNT);
	if (n > 0 && p[P_CHAOS].revents)
		channel_read(m);
	if (n > 0 && p[P_LISTENER].revents)
		control_serve(listener, requests_do, m);
	if (n > 0 && p[P_SIGNALS].revents)
		requests_signal(m, signals);
	(void)agent_pump(&m->agent);
	ring_serve(m);
	for (uint8_t i = 0; i < LINK_SESSIONS; i++)
		for (int k = 0; m->session[i] && k < 2; k++)
			session_tell_room(m, i, k);
	ring_sleep(m);
	sessions_end_done(m);
}

/* An engine that takes nothing more does not keep a VM's monitor that has ended. */
static void flush(struct linux_monitor *m)
{
	for (int i = 0; i < 2 && m->session[0]; i++)
		while (m->session[0]->out[i].fd >= 0 && m->session[0]->out[i].len) {
			struct pollfd p = {.fd = m->session[0]->out[i].fd, .events = POLLOUT};

			if (poll(&p, 1, MONITOR_LAST_MS) <= 0)
				break;
			session_to_engine(m, 0, i);
		}
}

static struct linux_monitor *monitor_new(const struct container *c)
{
	struct linux_monitor *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->c = c;
	link_init(&m->agent.link, true, &channel_link_ops, m);
	return m;
}

/* What still waits for an answer hears why there is none. */
static void monitor_free(struct linux_monitor *m)
{
	channel_hang_up(m);
	ring_close(m);
	agent_clear(&m->agent);
	for (uint8_t i = 0; i < LINK_SESSIONS; i++) {
		struct session *s = m->session[i];

		if (!s)
			continue;
		if (s->asker >= 0)
			control_say(s->asker, m->why.code ? -m->why.code : -EPIPE, &m->why);
		session_free(m, i);
	}
	free(m);
}

/* What its process needs, for when it is started. */
static int say_root(struct linux_monitor *m, const struct network *n, int part, struct err *e)
{
	int rc = part < 0 ? 0 : agent_say_part(&m->agent, part, e);

	if (rc == 0 && !agent_say_root(&m->agent, m->b, n))
		rc = err_set(e, ENOMEM, "out of memory");
	return rc < 0 ? err_wrap(e, rc, "tell the VM what the container's root is") : 0;
}

/* A process of the agent's own is the other end of the stream. It is there before the root, outside
 * of which it runs. */
static int begin_names(struct linux_monitor *m, int stream, struct err *e)
{
	json_t *words = json_pack("{s[s]ss}", "args", "names", "copy", "names");
	uint8_t number = 0;
	int rc = words && session_new(m, &number) ? 0 : -ENOMEM;

	if (rc == 0) {
		m->session[number]->in = stream;
		session_set_output(m->session[number], 0, fcntl(stream, F_DUPFD_CLOEXEC, 3));
		rc = agent_say_process(&m->agent, number, words, NULL) ? 0 : -ENOMEM;
	}
	json_decref(words);
	return rc < 0 ? err_set(e, ENOMEM, "out of memory") : 0;
}

int linux_run(const struct container *c, const struct bundle *b, const struct network *n, int part,
	      int listener, const struct monitor_stdio *io, struct err *e)
{
	struct linux_monitor *m = monitor_new(c);
	int signals = monitor_open_signals();
	uint8_t number = 0;
	struct err why = {0};
	int code = 255;

	if (!m || signals < 0 || !session_new(m, &number)) {
		(void)vm_ask(CHAOS_DESTROY, 0, c->uuid, NULL);
		free(m);
		(void)err_set(e, ENOMEM, "out of memory for the container's monitor");
		return code;
	}
	m->b = b;
	m->pod = pod_role(b) == POD_SANDBOX;
	m->session[0]->in = io->in;
	session_set_output(m->session[0], 0, io->out);
	session_set_output(m->session[0], 1, io->err);
	if ((io->names >= 0 && begin_names(m, io->names, &why) < 0) ||
	    say_root(m, n, part, &why) < 0)
		monitor_fail(m, code, &why);
	while (!m->ended)
		turn(m, listener, signals);
	flush(m);
	code = m->code;
	if (m->failed)
		err_copy(e, &m->why);
	(void)vm_ask(CHAOS_DESTROY, 0, c->uuid, NULL);
	(void)close(signals);
	if (!m->why.code)
		(void)err_set(&m->why, EPIPE, "the container ended");
	monitor_free(m);
	return code;
}

/* --- of a VM that is no container --- */

static bool is_idle(struct linux_monitor *m)
{
	for (uint8_t i = 0; i < LINK_SESSIONS; i++)
		if (m->session[i] && m->session[i]->asker >= 0)
			m->taken_ms = now_ms();
	return now_ms() - m->taken_ms >= IDLE_MS;
}

/* Those that have connected in this moment see the end of the connection, and begin again. */
static void stop_listening(const char *uuid, int listener)
{
	int lock = join_lock(NULL);

	join_remove(uuid);
	(void)close(listener);
	if (lock >= 0)
		(void)close(lock);
}

int linux_hold(const char *uuid, int listener)
{
	struct container c = {.dir = -1};
	struct linux_monitor *m = monitor_new(&c);
	int signals = monitor_open_signals();

	if (!m || signals < 0) {
		stop_listening(uuid, listener);
		free(m);
		return 1;
	}
	(void)snprintf(c.uuid, sizeof(c.uuid), "%s", uuid);
	m->holds = true;
	m->taken_ms = now_ms();
	while (!m->ended && !is_idle(m))
		turn(m, listener, signals);
	stop_listening(uuid, listener);
	(void)close(signals);
	monitor_free(m);
	return 0;
}

int linux_wait(const char *uuid, struct err *e)
{
	struct container c = {.dir = -1};
	struct linux_monitor *m = monitor_new(&c);
	int signals = monitor_open_signals();
	uint64_t until = now_ms() + WAIT_MS;
	int rc;

	if (!m || signals < 0) {
		free(m);
		return err_set(e, ENOMEM, "out of memory");
	}
	(void)snprintf(c.uuid, sizeof(c.uuid), "%s", uuid);
	m->holds = true;
	while (!m->ended && !m->agent.link.up && now_ms() < until)
		turn(m, -1, signals);
	rc = m->agent.link.up ? 0
	     : m->ended	      ? err_set(e, EPIPE, "wait for the agent: %s", err_msg(&m->why))
			      : err_set(e, ETIMEDOUT, "the agent does not answer within %u s",
					WAIT_MS / 1000);
	(void)close(signals);
	monitor_free(m);
	return rc;
}
