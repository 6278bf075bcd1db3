/* SPDX-License-Identifier: BSD-3-Clause */
/* The loop: the channel, processes' output and input, their ends. */
#include "guests/linux/agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define CHANNEL "/dev/hvc1"
#define PIECE	700u  /* of output in a message: two of them are under way at a time */
#define WAIT_MS 30000 /* for the channel */

/* Between two looks for the channel after a restore. */
#define AGAIN_MS 10

struct link agent_link;
static int channel = -1;

/* --- the channel --- */

static void out(void *arg, const void *bytes, size_t len)
{
	(void)arg;
	while (len) {
		ssize_t n = write(channel, bytes, len);

		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return;
		if (n > 0) {
			bytes = (const char *)bytes + n;
			len -= (size_t)n;
		}
	}
}

static void send_u32(uint8_t type, uint8_t session, uint32_t v)
{
	uint8_t b[4];

	link_put32(b, v);
	(void)link_send(&agent_link, type, session, b, sizeof(b));
}

static void answer(uint8_t session, const char *failed)
{
	(void)link_send(&agent_link, failed ? LINK_FAILED : LINK_DONE, session, failed,
			failed ? strlen(failed) : 0);
}

static void more_room(struct session *x, const uint8_t *data)
{
	uint32_t *room = data[0] ? &x->err_room : &x->out_room;
	uint32_t more = link_get32(data + 1);

	if (more <= RING_STREAM - *room)
		*room += more;
}

static void resize(const struct session *x, const uint8_t *data)
{
	struct winsize w = {.ws_row = (unsigned short)(data[0] | data[1] << 8),
			    .ws_col = (unsigned short)(data[2] | data[3] << 8)};

	if (x->terminal && x->out >= 0)
		(void)ioctl(x->out, TIOCSWINSZ, &w);
}

/* Without its other end the kernel says so to what runs on it. */
static void hang_up(struct session *x, const uint8_t *data, size_t len)
{
	int *stream = len && data[0] ? &x->err : &x->out;

	if (!x->terminal && len && *stream >= 0) {
		(void)close(*stream);
		*stream = -1;
	}
	if (!x->terminal || !x->running)
		return;
	if (x->in >= 0)
		(void)close(x->in);
	if (x->out >= 0)
		(void)close(x->out);
	x->in = x->out = -1;
	x->input_len = 0;
}

/* One that a distribution's process 1 has started is a program as any other. */
static bool is_init(void)
{
	return getpid() == 1;
}

static void power_off(void)
{
	if (!is_init())
		exit(1);
	sync();
	(void)reboot(RB_POWER_OFF);
}

static void message(void *arg, uint8_t type, uint8_t session, const uint8_t *data, size_t len)
{
	struct session *x = &agent_session[session % LINK_SESSIONS];
	const char *failed;
	uint8_t *kept;

	(void)arg;
	if (session >= LINK_SESSIONS)
		return;
	switch (type) {
	case LINK_ITEM:
		x->used = true;
		failed = x->running ? "it runs" : spec_item(&x->spec, data, len);
		if (failed)
			answer(session, failed);
		break;
	case LINK_SETUP:
		answer(session, x->spec.lost ? "there is no such container"
					     : root_setup(spec_container(&x->spec)));
		if (session > 0) /* what comes next need not be of that container */
			spec_clear(&x->spec);
		break;
	case LINK_LEAVE:
		answer(session, x->spec.lost ? "there is no such container"
					     : container_leave(spec_container(&x->spec)));
		spec_clear(&x->spec);
		break;
	case LINK_ARCHIVE:
		if (!x->spec.lost)
			container_archive(spec_container(&x->spec), data, len);
		break;
	case LINK_RUN:
		if (!x->running)
			session_run(session);
		break;
	case LINK_INPUT:
		kept = session_keep_input(x, len);
		if (kept)
			memcpy(kept, data, len);
		break;
	case LINK_INPUT_END:
		x->in_end = true;
		break;
	case LINK_SIGNAL:
		if (len == 4 && x->running && !x->exited)
			(void)kill(x->pid, (int)link_get32(data));
		break;
	case LINK_WINDOW:
		if (len == 4)
			resize(x, data);
		break;
	case LINK_ROOM:
		if (len == 5)
			more_room(x, data);
		break;
	case LINK_HANG_UP:
		hang_up(x, data, len);
		break;
	case LINK_OFF:
		power_off();
		break;
	case LINK_RING_ASK:
	case LINK_RING_USE:
	case LINK_RING_AGAIN:
		ring_message(type, data, len);
		break;
	default:
		break;
	}
}

/* Another host: what the one before has started has no reader. */
static void begun(void *arg)
{
	(void)arg;
	for (uint8_t i = 0; i < LINK_SESSIONS; i++)
		if (agent_session[i].used)
			session_drop(i);
	containers_begun();
	ring_close();
}

static void bell(void *arg)
{
	(void)arg;
	ring_bell();
}

static const struct link_ops ops = {.out = out, .message = message, .begun = begun, .bell = bell};

static void from_channel(void)
{
	uint8_t bytes[1024];
	ssize_t n = read(channel, bytes, sizeof(bytes));

	if (n > 0)
		link_input(&agent_link, bytes, (size_t)n);
	if (n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN)))
		return;
	/* the kernel was restored: it hangs the terminal up and makes another one */
	(void)close(channel);
	channel = -1;
}

/* --- processes --- */

static ssize_t send_piece(uint8_t number, int fd, uint8_t type, size_t most)
{
	uint8_t piece[PIECE];
	ssize_t n = read(fd, piece, most);

	if (n > 0)
		(void)link_send(&agent_link, type, number, piece, (size_t)n);
	return n;
}

/* One piece of output, as far as host and channel take it. */
static void from_process(uint8_t number, int *fd, uint8_t type, uint32_t *room)
{
	size_t most = *room < PIECE ? *room : PIECE;
	ssize_t n;

	if (*fd < 0 || most == 0 || !link_has_room(&agent_link, most))
		return;
	n = agent_link.ring ? ring_read(*fd, type, number, *room)
			    : send_piece(number, *fd, type, most);
	if (n > 0)
		*room -= (uint32_t)n;
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	(void)close(*fd);
	*fd = -1;
}

/* In few messages. */
static void tell_input_room(uint8_t number, struct session *x)
{
	if (x->in_owed < (agent_link.ring ? RING_STREAM / 2 : LINK_STREAM / 4) ||
	    !link_has_room(&agent_link, 4))
		return;
	send_u32(LINK_INPUT_ROOM, number, x->in_owed);
	x->in_owed = 0;
}

static void to_process(struct session *x)
{
	ssize_t n;

	n = x->input_len ? write(x->in, x->input + x->input_at, x->input_len) : 0;
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		n = (ssize_t)x->input_len; /* it reads no more */
		x->in_end = true;
	}
	if (n > 0) {
		x->input_len -= (uint32_t)n;
		x->input_at = x->input_len ? x->input_at + (uint32_t)n : 0;
		x->in_owed += (uint32_t)n;
	}
	if (x->in_end && x->input_len == 0) {
		if (x->terminal)
			(void)!write(x->in, "\4", 1);
		(void)close(x->in);
		x->in = -1;
	}
}

/* What it had written when it ended goes before its end. */
static void end_session(uint8_t number, struct session *x)
{
	struct pollfd p[2] = {{.fd = x->out, .events = POLLIN}, {.fd = x->err, .events = POLLIN}};

	if ((x->out >= 0 || x->err >= 0) && poll(p, 2, 0) > 0 &&
	    ((p[0].revents & POLLIN) || (p[1].revents & POLLIN)))
		return;
	if (!link_has_room(&agent_link, 4))
		return;
	send_u32(LINK_EXIT, number, (uint32_t)x->code);
	session_drop(number);
}

static void reap(int signals)
{
	struct signalfd_siginfo s;
	int status;
	pid_t pid;

	while (read(signals, &s, sizeof(s)) > 0)
		;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		container_ended(pid);
		for (uint8_t i = 0; i < LINK_SESSIONS; i++) {
			struct session *x = &agent_session[i];

			if (!x->running || x->pid != pid)
				continue;
			x->exited = true;
			x->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		}
	}
}

static void serve_sessions(void)
{
	for (uint8_t i = 0; i < LINK_SESSIONS; i++) {
		struct session *x = &agent_session[i];

		if (!x->running)
			continue;
		from_process(i, &x->out, LINK_OUTPUT, &x->out_room);
		from_process(i, &x->err, LINK_ERRORS, &x->err_room);
		if (x->in >= 0 && (x->input_len || x->in_end))
			to_process(x);
		tell_input_room(i, x);
		if (x->exited)
			end_session(i, x);
	}
}

/* --- the loop --- */

static int prepare(struct pollfd *p, int signals)
{
	bool room = agent_link.ring ? ring_has_room() : link_has_room(&agent_link, PIECE);
	int n = 2;

	p[0] = (struct pollfd){.fd = channel, .events = POLLIN};
	p[1] = (struct pollfd){.fd = signals, .events = POLLIN};
	for (int i = 0; i < (int)LINK_SESSIONS; i++) {
		const struct session *x = &agent_session[i];

		if (!x->running)
			continue;
		if (room && x->out >= 0 && x->out_room)
			p[n++] = (struct pollfd){.fd = x->out, .events = POLLIN};
		if (room && x->err >= 0 && x->err_room)
			p[n++] = (struct pollfd){.fd = x->err, .events = POLLIN};
		if (x->in >= 0 && x->input_len)
			p[n++] = (struct pollfd){.fd = x->in, .events = POLLOUT};
	}
	return n;
}

/* The name is there before the device is. -1: not yet. */
static int open_channel(void)
{
	int fd = open(CHANNEL, O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios t;

	if (fd < 0)
		return -1;
	if (tcgetattr(fd, &t) < 0) {
		(void)close(fd);
		return -1;
	}
	cfmakeraw(&t);
	t.c_cflag |= CREAD | CLOCAL;
	(void)tcsetattr(fd, TCSANOW, &t);
	/* what came before was read as lines, with editing */
	(void)tcflush(fd, TCIFLUSH);
	return fd;
}

static int wait_for_channel(void)
{
	struct timespec pause = {.tv_nsec = 1000000};
	int fd = -1;

	for (int i = 0; i < WAIT_MS && (fd = open_channel()) < 0; i++)
		(void)nanosleep(&pause, NULL);
	return fd;
}

static void find_channel(void)
{
	channel = open_channel();
	if (channel < 0)
		return;
	link_call(&agent_link);
	boot_tell_ready();
}

int main(void)
{
	struct pollfd p[2 + 3 * LINK_SESSIONS];
	sigset_t set;
	int signals;

	if (is_init()) {
		boot_mount_own();
		boot_load_modules();
	}
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	for (uint8_t i = 0; i < LINK_SESSIONS; i++)
		session_drop(i);
	channel = wait_for_channel();
	if (channel < 0 || signals < 0) {
		(void)fprintf(stderr, "agent: " CHANNEL ": %s\n", strerror(errno));
		power_off();
	}
	link_init(&agent_link, false, &ops, NULL);
	link_call(&agent_link);
	for (;;) {
		int n = prepare(p, signals);

		if (poll(p, (nfds_t)n, channel < 0 ? AGAIN_MS : -1) < 0)
			continue;
		if (channel < 0)
			find_channel();
		else if (p[0].revents)
			from_channel();
		if (p[1].revents)
			reap(signals);
		ring_serve();
		serve_sessions();
		ring_serve();
	}
}
