/* SPDX-License-Identifier: BSD-3-Clause */
/* One loop: the agent's channel, the files of each session, requests and signals. Whatever comes of
 * the channel is a guest's: checked, and bounded. */
#include "oci/linux.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/unix.h"
#include "oci/control.h"
#include "oci/session.h"
#include "oci/vm.h"

#define HELLO_MS 1000 /* until the agent is greeted again, which may have missed it */
#define RETRY_MS 200  /* until chaosd answers again */

/* --- chaosd --- */

static void hang_up(struct linux_monitor *m)
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
		hang_up(m);
}

static void message(void *arg, uint8_t type, uint8_t session, const uint8_t *data, size_t len)
{
	session_message(arg, type, session, data, len);
}

static void begun(void *arg)
{
	(void)arg;
}

static const struct link_ops ops = {.out = to_channel, .message = message, .begun = begun};

static void connect_channel(struct linux_monitor *m)
{
	struct chaos_request rq;
	uint64_t number = 0;

	if (chaos_open(&m->chaos, NULL, NULL) < 0)
		return;
	chaos_request_init(&rq, CHAOS_CONSOLE);
	rq.vm = m->c->uuid;
	rq.flags = CHAOS_FOLLOW | CHAOS_AGENT;
	if (chaos_send(m->chaos, &rq, &m->tag, NULL) < 0) {
		hang_up(m);
		return;
	}
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
	struct session *first = m->session[0];

	if (first)
		session_started(first, false, -EPIPE, "the VM ended");
	m->ended = true;
	m->code = m->killed ? 128 + m->killed : code;
}

static void from_chaosd(struct linux_monitor *m)
{
	static struct chaos_reply r; /* it is large */

	while (m->chaos && !m->ended) {
		int rc = chaos_receive(m->chaos, &r, 0, NULL);

		if (rc == -EAGAIN)
			return;
		if (rc < 0 || (r.error && r.error != ESRCH)) {
			hang_up(m);
			if (rc == 0) /* chaosd still knows the connection before */
				(void)poll(NULL, 0, RETRY_MS);
			return;
		}
		if (r.tag != m->tag)
			continue;
		if (r.error)
			vm_ended(m, 137);
		if (r.lost)
			link_again(&m->agent.link);
		if (r.len > 0)
			link_input(&m->agent.link, r.data, r.len);
		if (r.last && !r.error && r.has_vm)
			vm_ended(m, vm_exit_code(&r.vm));
	}
}

/* --- requests --- */

static int start_process(struct linux_monitor *m, uint8_t number, const json_t *process,
			 struct err *e)
{
	struct session *s = m->session[number];
	struct winsize w = {0};

	s->terminal = json_is_true(json_object_get(process, "terminal"));
	s->pty = s->terminal && isatty(s->in);
	if (s->terminal)
		(void)ioctl(s->out[0].fd, TIOCGWINSZ, &w);
	if (agent_say_process(&m->agent, number, process, s->terminal ? &w : NULL))
		return 0;
	return err_set(e, ENOMEM, "out of memory");
}

/* Answered when the agent has started it. */
static int start(struct linux_monitor *m, int asker, struct err *e)
{
	int rc;

	if (m->started)
		return err_set(e, EINVAL, "the container was started already");
	if (m->root_failed)
		return err_set(e, EIO, "the container's root could not be set up");
	rc = container_mark(m->c, "started", true, e);
	if (rc == 0)
		rc = start_process(m, 0, bundle_get(m->b, "process"), e);
	if (rc < 0) {
		(void)container_mark(m->c, "started", false, NULL);
		return rc;
	}
	m->started = true;
	m->session[0]->asker = asker;
	return 0;
}

static int deliver(struct linux_monitor *m, int number, struct err *e)
{
	if (number != SIGKILL && m->started) {
		(void)agent_say_u32(&m->agent, LINK_SIGNAL, 0, (uint32_t)number);
		return 0;
	}
	if (number == SIGWINCH || number == SIGCONT || number == SIGURG)
		return 0;
	return vm_kill(m->c->uuid, number, &m->killed, e);
}

static int execute(struct linux_monitor *m, int asker, int files[CONTROL_FILES], struct err *e)
{
	json_t *process = json_loadfd(files[0], 0, NULL);
	uint8_t number = 0;
	struct session *s = NULL;
	int rc = process ? agent_check_process(process, e)
			 : err_set(e, EINVAL, "exec: no process is described");

	if (rc == 0 && (!m->session[0]->runs || m->session[0]->over))
		rc = err_set(e, EINVAL, "exec: the container does not run");
	if (rc == 0 && !(s = session_new(m, &number)))
		rc = err_set(e, EBUSY, "exec: at most %u processes at a time", LINK_SESSIONS - 1);
	if (s) {
		s->in = files[1];
		s->out[0].fd = files[2];
		s->out[1].fd = files[3];
		files[1] = files[2] = files[3] = -1;
		rc = start_process(m, number, process, e);
		if (rc == 0)
			s->asker = asker;
		else
			session_free(m, number);
	}
	json_decref(process);
	return rc;
}

static int do_request(void *ctx, struct control_call *call, struct err *e)
{
	const struct control_request *rq = &call->rq;
	struct linux_monitor *m = ctx;

	call->later = rq->op != CONTROL_KILL;
	if (rq->op == CONTROL_START)
		return start(m, call->fd, e);
	if (rq->op == CONTROL_KILL && rq->number > 0 && rq->number < 65)
		return deliver(m, (int)rq->number, e);
	if (rq->op == CONTROL_EXEC && call->files[CONTROL_FILES - 1] >= 0)
		return execute(m, call->fd, call->files, e);
	return control_unknown(rq, e);
}

static void resize(struct linux_monitor *m, uint8_t number, int terminal)
{
	struct winsize w;
	uint8_t b[4];

	if (ioctl(terminal, TIOCGWINSZ, &w) < 0)
		return;
	b[0] = (uint8_t)w.ws_row;
	b[1] = (uint8_t)(w.ws_row >> 8);
	b[2] = (uint8_t)w.ws_col;
	b[3] = (uint8_t)(w.ws_col >> 8);
	(void)agent_say(&m->agent, LINK_WINDOW, number, b, sizeof(b));
}

static void from_signals(struct linux_monitor *m, int fd)
{
	int number = monitor_signal(fd);

	if (number == SIGWINCH && m->session[0] && m->session[0]->terminal)
		resize(m, 0, m->session[0]->out[0].fd);
	else if (number > 0 && number != SIGWINCH)
		(void)deliver(m, number, NULL);
}

/* What has asked for a process says a signal for it, or that its terminal has another size; when it
 * goes, the process does. */
static void from_asker(struct linux_monitor *m, uint8_t number)
{
	struct session *s = m->session[number];
	struct control_request rq = {0};
	uint32_t none;
	ssize_t n = unix_receive(s->asker, &rq, sizeof(rq), NULL, 0, &none);

	if (n == -EAGAIN)
		return;
	if (n != (ssize_t)sizeof(rq)) {
		(void)agent_say_u32(&m->agent, LINK_SIGNAL, number, SIGKILL);
		shut(&s->asker);
	} else if (rq.op == CONTROL_KILL && rq.number > 0 && rq.number < 65) {
		(void)agent_say_u32(&m->agent, LINK_SIGNAL, number, rq.number);
	} else if (rq.op == CONTROL_WINDOW && s->terminal && s->out[0].fd >= 0) {
		resize(m, number, s->out[0].fd);
	}
}

/* --- the loop --- */

enum { P_CHAOS, P_LISTENER, P_SIGNALS, P_FIRST };
enum { S_IN, S_OUT, S_ERR, S_ASKER, S_COUNT };
#define P_COUNT (P_FIRST + S_COUNT * LINK_SESSIONS)

static void prepare(const struct linux_monitor *m, struct pollfd *p, int listener, int signals)
{
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
		if (s->runs && s->in_room && !m->agent.first)
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
		from_asker(m, number);
	for (int i = 0; i < 2; i++)
		session_tell_room(m, number, i);
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
		connect_channel(m);
	prepare(m, p, listener, signals);
	n = poll(p, P_COUNT, !m->chaos ? RETRY_MS : m->agent.link.up && !over ? -1 : HELLO_MS);
	if (n == 0 && m->chaos && !m->agent.link.up)
		link_again(&m->agent.link);
	if (!over || (n > 0 && (p[P_FIRST + S_OUT].revents || p[P_FIRST + S_ERR].revents)))
		m->taken_ms = now_ms();
	else
		drop_last(m);
	for (uint8_t i = 0; n > 0 && i < LINK_SESSIONS; i++)
		if (m->session[i])
			serve_session(m, i, p + P_FIRST + i * S_COUNT);
	if (n > 0 && p[P_CHAOS].revents)
		from_chaosd(m);
	if (n > 0 && p[P_LISTENER].revents)
		control_serve(listener, do_request, m);
	if (n > 0 && p[P_SIGNALS].revents)
		from_signals(m, signals);
	(void)agent_pump(&m->agent);
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

int linux_run(const struct container *c, const struct bundle *b, const struct network *n,
	      int listener, const struct monitor_stdio *io)
{
	struct linux_monitor *m = calloc(1, sizeof(*m));
	int signals = monitor_open_signals();
	uint8_t number = 0;
	int code = 255;

	if (!m || signals < 0 || !session_new(m, &number)) {
		free(m);
		return code;
	}
	m->c = c;
	m->b = b;
	m->session[0]->in = io->in;
	m->session[0]->out[0].fd = io->out;
	m->session[0]->out[1].fd = io->err;
	link_init(&m->agent.link, true, &ops, m);
	if (agent_say_root(&m->agent, b, n))
		while (!m->ended)
			turn(m, listener, signals);
	flush(m);
	code = m->code;
	(void)vm_ask(CHAOS_DESTROY, 0, c->uuid, NULL);
	hang_up(m);
	agent_clear(&m->agent);
	for (uint8_t i = 0; i < LINK_SESSIONS; i++)
		if (m->session[i])
			session_free(m, i);
	(void)close(signals);
	free(m);
	return code;
}
