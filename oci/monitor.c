/* SPDX-License-Identifier: BSD-3-Clause */
/* One loop: the VM's console, the engine's pipes, requests and signals. */
#include "oci/monitor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "oci/control.h"
#include "oci/vm.h"

/* What a guest has said and the engine has not taken. While there is some no more is asked for. */
#define OUT_MAX	 65536u
#define IN_MAX	 512u
#define RETRY_MS 200 /* until chaosd answers again */

struct monitor {
	const struct container *c;
	struct monitor_stdio io;
	struct chaos *chaos; /* NULL: not connected */
	uint32_t tag;	     /* of the console */
	uint64_t seen;	     /* bytes of the console so far, with those that were lost */
	uint64_t skip;	     /* bytes that come again after a reconnection */
	char out[OUT_MAX];
	size_t begin, end; /* of what waits in it */
	bool later;	   /* ... and not at once again */
	bool started, ended;
	int killed; /* by this signal; 0 */
	int code;
};

/* --- the VM's console --- */

static void hang_up(struct monitor *m)
{
	chaos_close(m->chaos);
	m->chaos = NULL;
}

static void ended(struct monitor *m, int code)
{
	m->ended = true;
	m->code = m->killed ? 128 + m->killed : code;
}

static int connect_console(struct monitor *m)
{
	struct chaos_request rq;

	if (chaos_open(&m->chaos, NULL, NULL) < 0)
		return -ECONNREFUSED;
	chaos_request_init(&rq, CHAOS_CONSOLE);
	rq.vm = m->c->uuid;
	rq.flags = CHAOS_FOLLOW | CHAOS_INPUT_TOO | CHAOS_LOG;
	m->skip = m->seen;
	if (chaos_send(m->chaos, &rq, &m->tag, NULL) == 0)
		return 0;
	hang_up(m);
	return -ECONNREFUSED;
}

/* The log comes from its first byte that is kept: what the engine has already is left out. */
static void take_output(struct monitor *m, const struct chaos_reply *r)
{
	const char *data = r->data;
	size_t len = r->len;

	if (r->lost > m->skip)
		m->seen += r->lost - m->skip;
	m->skip -= r->lost < m->skip ? r->lost : m->skip;
	if (m->skip > 0) {
		size_t n = m->skip < len ? (size_t)m->skip : len;

		data += n;
		len -= n;
		m->skip -= n;
	}
	if (len > OUT_MAX - m->end) /* no frame is that large */
		len = OUT_MAX - m->end;
	m->seen += len;
	if (m->io.out < 0) /* it has no reader any more */
		return;
	memcpy(m->out + m->end, data, len);
	m->end += len;
}

/* Everything that has come, while there is room. */
static void from_chaosd(struct monitor *m)
{
	static struct chaos_reply r; /* it is large */
	int rc = 0;

	while (m->chaos && !m->ended && m->begin == m->end) {
		rc = chaos_receive(m->chaos, &r, 0, NULL);
		if (rc == -EAGAIN)
			return;
		if (rc < 0) {
			hang_up(m);
			return;
		}
		if (r.tag != m->tag)
			continue;
		if (r.error && r.error != ESRCH) { /* says nothing of the VM */
			hang_up(m);
			m->later = true;
			return;
		}
		if (r.error) /* removed from the history, or by a reboot of the host */
			ended(m, 137);
		else if (r.len > 0)
			take_output(m, &r);
		if (r.last && !r.error && r.has_vm)
			ended(m, vm_exit_code(&r.vm));
	}
}

/* A pipe that is ready takes PIPE_BUF bytes without a wait. */
static void to_engine(struct monitor *m)
{
	size_t n = m->end - m->begin;
	ssize_t done;

	if (n > 4096)
		n = 4096;
	done = write(m->io.out, m->out + m->begin, n);
	if (done < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (done < 0) { /* it has no reader any more: the guest goes on */
		(void)close(m->io.out);
		m->io.out = -1;
		done = (ssize_t)(m->end - m->begin);
	}
	m->begin += (size_t)done;
	if (m->begin == m->end)
		m->begin = m->end = 0;
}

static void from_engine(struct monitor *m)
{
	char data[IN_MAX];
	struct chaos_request rq;
	ssize_t n = read(m->io.in, data, sizeof(data));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		(void)close(m->io.in);
		m->io.in = -1;
		return;
	}
	chaos_request_init(&rq, CHAOS_INPUT);
	rq.tag = m->tag;
	rq.data = data;
	rq.len = (size_t)n;
	if (chaos_send(m->chaos, &rq, NULL, NULL) < 0)
		hang_up(m);
}

/* --- requests --- */

static int start(struct monitor *m, struct err *e)
{
	int rc;

	if (m->started)
		return err_set(e, EINVAL, "start: the container was started already");
	rc = container_mark(m->c, "started", true, e);
	if (rc == 0)
		rc = vm_ask(CHAOS_UNPAUSE, 0, m->c->uuid, e);
	if (rc < 0)
		(void)container_mark(m->c, "started", false, NULL);
	else
		m->started = true;
	return rc;
}

/* What ends a process by default ends the VM: KILL and all before its start at once, others as a
 * request to the guest, which ends with a code of its own. */
static int deliver(struct monitor *m, int signal_number, struct err *e)
{
	switch (signal_number) {
	case SIGWINCH:
	case SIGCONT:
	case SIGURG:
		return 0;
	case SIGTERM:
	case SIGINT:
	case SIGHUP:
	case SIGQUIT:
	case SIGKILL:
		break;
	default:
		return err_set(e, ENOTSUP,
			       "signal %d cannot be delivered to a unikernel: use TERM or KILL",
			       signal_number);
	}
	if (signal_number != SIGKILL && m->started)
		return vm_ask(CHAOS_SHUTDOWN, 0, m->c->uuid, e);
	return vm_kill(m->c->uuid, signal_number, &m->killed, e);
}

static int do_request(void *ctx, struct control_call *call, struct err *e)
{
	struct monitor *m = ctx;

	switch (call->rq.op) {
	case CONTROL_START:
		return start(m, e);
	case CONTROL_KILL:
		if (call->rq.number < 65)
			return deliver(m, (int)call->rq.number, e);
		break;
	case CONTROL_EXEC:
		return err_set(e, ENOTSUP,
			       "exec: the container is a unikernel, which runs one program");
	default:
		break;
	}
	return control_unknown(&call->rq, e);
}

int monitor_signal(int fd)
{
	struct signalfd_siginfo s;

	return read(fd, &s, sizeof(s)) == (ssize_t)sizeof(s) ? (int)s.ssi_signo : 0;
}

static void from_signals(struct monitor *m, int fd)
{
	int number = monitor_signal(fd);

	if (number)
		(void)deliver(m, number, NULL);
}

int monitor_open_signals(void)
{
	sigset_t set;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGQUIT);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigaddset(&set, SIGUSR2);
	(void)sigaddset(&set, SIGWINCH);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* --- the loop --- */

enum { P_CHAOS, P_LISTENER, P_SIGNALS, P_IN, P_OUT, P_COUNT };

static void prepare(const struct monitor *m, struct pollfd *p, int listener, int signals)
{
	bool waits = m->begin < m->end;

	for (int i = 0; i < P_COUNT; i++)
		p[i] = (struct pollfd){.fd = -1, .events = POLLIN};
	p[P_LISTENER].fd = listener;
	p[P_SIGNALS].fd = signals;
	if (m->chaos && !waits)
		p[P_CHAOS].fd = chaos_fd(m->chaos);
	if (m->chaos && m->started && !m->ended)
		p[P_IN].fd = m->io.in;
	p[P_OUT].fd = waits ? m->io.out : -1;
	p[P_OUT].events = POLLOUT;
}

static void turn(struct monitor *m, int listener, int signals)
{
	struct pollfd p[P_COUNT];
	int n;

	if (!m->chaos && !m->ended && !m->later)
		(void)connect_console(m);
	m->later = false;
	prepare(m, p, listener, signals);
	n = poll(p, P_COUNT, m->ended ? MONITOR_LAST_MS : m->chaos ? -1 : RETRY_MS);
	if (n == 0 && m->ended) /* it takes nothing */
		m->begin = m->end;
	if (n <= 0)
		return;
	if (p[P_OUT].revents)
		to_engine(m);
	if (p[P_CHAOS].revents)
		from_chaosd(m);
	if (p[P_IN].revents && m->chaos)
		from_engine(m);
	if (p[P_LISTENER].revents)
		control_serve(listener, do_request, m);
	if (p[P_SIGNALS].revents)
		from_signals(m, signals);
}

int monitor_run(const struct container *c, int listener, const struct monitor_stdio *io)
{
	struct monitor *m = calloc(1, sizeof(*m));
	int signals = monitor_open_signals();
	int code;

	if (!m || signals < 0) {
		free(m);
		return 255;
	}
	m->c = c;
	m->io = *io;
	while (!m->ended || m->begin < m->end)
		turn(m, listener, signals);
	hang_up(m);
	(void)close(signals);
	code = m->code;
	free(m);
	return code;
}
