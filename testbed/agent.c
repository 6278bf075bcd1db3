/* SPDX-License-Identifier: BSD-3-Clause */
/* Process 1's helper in the testbed's dom0: runs one command for the host over one serial port. */
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/*
 * Frames both ways: one byte type, four bytes length (little-endian), payload.
 *   to us:   G go (8 bytes time of day in ns, then random bytes), C run a command (NUL-separated
 *            argv), T the same on a terminal (rows and columns as two uint16 first),
 *            I input, E end of input, W rows and columns, S signal (one byte), P are you there?
 *   from us: R ready, at start and after G, O output, F error output, X exit status (4 bytes),
 *            I the command has taken the input: the next may be sent, P yes (while a command runs)
 * One port carries everything, so the exit status cannot overtake output. Nothing that the command
 * does or leaves undone keeps P from its answer.
 */
#define CHUNK 65536

static int port;

static void die(const char *what)
{
	fprintf(stderr, "agent: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void read_all(void *buf, size_t len)
{
	for (uint8_t *p = buf; len;) {
		ssize_t n = read(port, p, len);

		if (n < 0 && errno != EINTR && errno != EAGAIN)
			die("read");
		if (n <= 0) { /* the host is not connected (yet) */
			usleep(20000);
			continue;
		}
		p += n;
		len -= (size_t)n;
	}
}

static void send_frame(char type, const void *data, uint32_t len)
{
	static uint8_t frame[5 + CHUNK];
	uint8_t *p = frame;
	size_t left = len + 5;

	frame[0] = (uint8_t)type;
	memcpy(frame + 1, &len, 4);
	memcpy(frame + 5, data, len);
	while (left) {
		ssize_t n = write(port, p, left);

		if (n < 0) {
			if (errno == EINTR || errno == EAGAIN) {
				usleep(1000);
				continue;
			}
			die("write");
		}
		p += n;
		left -= (size_t)n;
	}
}

static void go(const uint8_t *data, uint32_t len)
{
	struct {
		int entropy_count, buf_size;
		uint8_t buf[512];
	} pool;
	uint64_t ns;
	struct timespec ts;
	int fd;

	if (len < 8)
		return;
	memcpy(&ns, data, 8);
	ts.tv_sec = (time_t)(ns / 1000000000u);
	ts.tv_nsec = (long)(ns % 1000000000u);
	(void)clock_settime(CLOCK_REALTIME, &ts);
	len -= 8;
	pool.buf_size = len > sizeof(pool.buf) ? (int)sizeof(pool.buf) : (int)len;
	pool.entropy_count = pool.buf_size * 8;
	memcpy(pool.buf, data + 8, (size_t)pool.buf_size);
	fd = open("/dev/random", O_RDWR | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, RNDADDENTROPY, &pool) < 0 || ioctl(fd, RNDRESEEDCRNG) < 0)
		fprintf(stderr, "agent: random pool: %s\n", strerror(errno));
	close(fd);
}

struct job {
	pid_t pid;
	int in, out, err;     /* our ends; -1 when closed. On a terminal in == out, err == -1 */
	uint8_t input[CHUNK]; /* not taken yet: so many bytes */
	uint32_t waiting;
	bool end; /* of input, behind it */
};

static void to_pipe(struct job *j, char **argv)
{
	int in[2], out[2], err[2];

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		die("pipe");
	j->pid = fork();
	if (j->pid == 0) {
		setsid();
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(err[1], 2);
		execvp(argv[0], argv);
		dprintf(2, "xenbed: %s: %s\n", argv[0], strerror(errno));
		_exit(errno == ENOENT ? 127 : 126);
	}
	close(in[0]);
	close(out[1]);
	close(err[1]);
	j->in = in[1];
	(void)fcntl(j->in, F_SETFL, O_NONBLOCK);
	j->out = out[0];
	j->err = err[0];
}

static void to_terminal(struct job *j, char **argv, const uint16_t *size)
{
	struct winsize ws = {.ws_row = size[0], .ws_col = size[1]};

	j->pid = forkpty(&j->in, NULL, NULL, &ws);
	if (j->pid == 0) {
		execvp(argv[0], argv);
		dprintf(2, "xenbed: %s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	(void)fcntl(j->in, F_SETFL, O_NONBLOCK);
	j->out = j->in;
	j->err = -1;
}

static void start(struct job *j, char type, uint8_t *data, uint32_t len)
{
	static char *argv[1024];
	uint16_t size[2] = {24, 80};
	uint32_t at = 0;
	int argc = 0;

	if (type == 'T' && len >= 4) {
		memcpy(size, data, 4);
		at = 4;
	}
	while (at < len && argc < 1023) {
		argv[argc++] = (char *)data + at;
		at += (uint32_t)strlen((char *)data + at) + 1;
	}
	argv[argc] = NULL;
	if (argc == 0)
		exit(1);
	j->waiting = 0;
	j->end = false;
	if (type == 'T')
		to_terminal(j, argv, size);
	else
		to_pipe(j, argv);
	if (j->pid < 0)
		die("fork");
}

/* Forwards what there is; returns 0 at the end of that stream. */
static int forward(int fd, char type)
{
	static uint8_t buf[CHUNK];
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 1;
	if (n <= 0)
		return 0;
	send_frame(type, buf, (uint32_t)n);
	return 1;
}

/* Gives the command what it takes now; says when that was all. */
static void feed(struct job *j)
{
	ssize_t n = j->in < 0 ? (ssize_t)j->waiting : write(j->in, j->input, j->waiting);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) { /* the command has closed it */
		n = (ssize_t)j->waiting;
		if (j->in != j->out)
			close(j->in);
		j->in = -1;
	}
	j->waiting -= (uint32_t)n;
	memmove(j->input, j->input + n, j->waiting);
	if (j->waiting)
		return;
	send_frame('I', "", 0);
	if (j->end && j->in >= 0 && j->in != j->out)
		close(j->in);
	j->in = j->end ? -1 : j->in;
}

static void from_host(struct job *j)
{
	static uint8_t data[CHUNK];
	uint8_t head[5];
	uint32_t len;

	read_all(head, 5);
	memcpy(&len, head + 1, 4);
	if (len > CHUNK)
		exit(1);
	read_all(data, len);
	switch (head[0]) {
	case 'I': /* more than there is room for is typed faster than it is read */
		len = len < CHUNK - j->waiting ? len : CHUNK - j->waiting;
		memcpy(j->input + j->waiting, data, len);
		j->waiting += len;
		feed(j);
		break;
	case 'E':
		j->end = true;
		if (!j->waiting)
			feed(j);
		break;
	case 'P':
		send_frame('P', data, len);
		break;
	case 'W': {
		uint16_t size[2];
		struct winsize ws = {0};

		memcpy(size, data, 4);
		ws.ws_row = size[0];
		ws.ws_col = size[1];
		if (j->in >= 0)
			(void)ioctl(j->in, TIOCSWINSZ, &ws);
		break;
	}
	case 'S':
		(void)kill(-j->pid, data[0]);
		break;
	default:
		break;
	}
}

static uint32_t serve(struct job *j)
{
	int end = (int)syscall(SYS_pidfd_open, j->pid, 0);
	bool over = false;
	int status = 0;

	if (end < 0)
		die("pidfd_open");
	for (;;) {
		struct pollfd p[5] = {{j->out, POLLIN, 0},
				      {j->err, POLLIN, 0},
				      {over ? -1 : port, POLLIN, 0},
				      {over ? -1 : end, POLLIN, 0},
				      {over || !j->waiting ? -1 : j->in, POLLOUT, 0}};

		/* What daemons of the command still hold open is read as far as it is, not waited
		 * for. */
		if (poll(p, 5, over ? 0 : -1) == 0 && over)
			break;
		if (p[0].revents && !forward(j->out, 'O')) {
			j->in = j->in == j->out ? -1 : j->in;
			j->out = -1;
		}
		if (p[1].revents && !forward(j->err, 'F'))
			j->err = -1;
		if (p[2].revents & POLLIN)
			from_host(j);
		if (p[4].revents && j->waiting)
			feed(j);
		if (p[3].revents) {
			(void)waitpid(j->pid, &status, 0);
			over = true;
		}
		if (over && j->out < 0 && j->err < 0)
			break;
	}
	close(end);
	return WIFEXITED(status) ? (uint32_t)WEXITSTATUS(status)
				 : 128u + (uint32_t)WTERMSIG(status);
}

int main(int argc, char **argv)
{
	static uint8_t data[CHUNK];
	struct job j = {.in = -1, .out = -1, .err = -1};
	uint8_t head[5];
	uint32_t len;

	if (argc != 2) {
		fprintf(stderr, "usage: agent PORT\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	port = open(argv[1], O_RDWR | O_CLOEXEC);
	if (port < 0)
		die(argv[1]);
	send_frame('R', "", 0);
	for (;;) {
		read_all(head, 5);
		memcpy(&len, head + 1, 4);
		if (len > CHUNK)
			return 1;
		read_all(data, len);
		if (head[0] == 'G') {
			go(data, len);
			if (system("/etc/xenbed-unpack") != 0)
				fprintf(stderr, "agent: unpack failed\n");
			else
				send_frame('R', "", 0);
		} else if (head[0] == 'C' || head[0] == 'T') {
			uint32_t status;

			data[len < CHUNK ? len : CHUNK - 1] = 0;
			start(&j, (char)head[0], data, len);
			status = serve(&j);
			send_frame('X', &status, 4);
		}
	}
}
