/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections to another host. */
#include "chaos/migrate_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_MS 2000 /* time for a program to end by itself */
#define PIPE                                                                                       \
	(1 << 20)   /* size of a program's pipes: larger ones make their ends wait for each other  \
		       less often */
#define SILENT_S 20 /* a TCP peer that does not answer for this time is considered gone */

/* --- a program --- */

static void in_child(const char *const argv[], const int to[2], const int from[2])
{
	sigset_t none;

	/* Interrupts are handled by the caller, which may block them; the program must not
	 * inherit blocked signals. */
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (dup2(to[0], STDIN_FILENO) < 0 || dup2(from[1], STDOUT_FILENO) < 0)
		_exit(127);
	(void)execvp(argv[0], (char *const *)(uintptr_t)argv);
	{
		const char *text = strerror(errno);

		(void)!write(STDERR_FILENO, argv[0], strlen(argv[0]));
		(void)!write(STDERR_FILENO, ": ", 2);
		(void)!write(STDERR_FILENO, text, strlen(text));
		(void)!write(STDERR_FILENO, "\n", 1);
	}
	_exit(127);
}

int link_run(struct link *l, const char *const argv[], struct err *e)
{
	int to[2] = {-1, -1}, from[2] = {-1, -1};
	int rc = 0;

	*l = (struct link){.in = -1, .out = -1};
	if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0)
		rc = err_sys(e, errno, "make the pipes of the command");
	if (rc == 0) /* less than that is fine, too */
		(void)fcntl(to[1], F_SETPIPE_SZ, PIPE);
	if (rc == 0) {
		l->child = fork();
		if (l->child == 0)
			in_child(argv, to, from);
		if (l->child < 0)
			rc = err_sys(e, errno, "fork for the command");
	}
	for (int i = 0; i < 2; i++) {
		int mine = i == 0 ? to[1] : from[0];
		int other = i == 0 ? to[0] : from[1];

		if (other >= 0)
			(void)close(other);
		if (rc < 0 && mine >= 0)
			(void)close(mine);
	}
	if (rc < 0)
		return rc;
	l->out = to[1];
	l->in = from[0];
	return 0;
}

static int end_child(pid_t child)
{
	static const int signals[] = {SIGTERM, SIGKILL};
	struct pollfd p = {.fd = (int)syscall(SYS_pidfd_open, child, 0), .events = POLLIN};
	int status = 0;

	for (size_t i = 0; i < 2; i++)
		if (poll(&p, 1, CHILD_MS) == 0) /* without a pidfd, too */
			(void)kill(child, signals[i]);
	if (p.fd >= 0)
		(void)close(p.fd);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* --- sockets --- */

union address {
	struct sockaddr any;
	struct sockaddr_in four;
	struct sockaddr_in6 six;
	struct sockaddr_un un;
};

static bool parse_port(const char *text, in_port_t *port)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n == 0 || n > 65535)
		return false;
	*port = htons((uint16_t)n);
	return true;
}

static bool parse_address(const char *text, union address *a, socklen_t *len)
{
	char host[INET6_ADDRSTRLEN + 2] = "";
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;

	memset(a, 0, sizeof(*a));
	if (n == 0 || n >= sizeof(host))
		return false;
	memcpy(host, text, n);
	if (host[0] == '[' && host[n - 1] == ']') {
		host[n - 1] = '\0';
		a->six.sin6_family = AF_INET6;
		*len = sizeof(a->six);
		return inet_pton(AF_INET6, host + 1, &a->six.sin6_addr) == 1 &&
		       parse_port(colon + 1, &a->six.sin6_port);
	}
	a->four.sin_family = AF_INET;
	*len = sizeof(a->four);
	return inet_pton(AF_INET, host, &a->four.sin_addr) == 1 &&
	       parse_port(colon + 1, &a->four.sin_port);
}

static int find_address(const char *where, union address *a, socklen_t *len, struct err *e)
{
	if (strchr(where, '/')) {
		memset(a, 0, sizeof(*a));
		a->un.sun_family = AF_UNIX;
		*len = sizeof(a->un);
		if (strlen(where) >= sizeof(a->un.sun_path))
			return err_set(e, ENAMETOOLONG, "%s: too long for a socket", where);
		memcpy(a->un.sun_path, where, strlen(where));
		return 0;
	}
	if (!parse_address(where, a, len))
		return err_set(e, EINVAL,
			       "\"%s\": give an address in numbers and a port, 192.0.2.1:7000 or "
			       "[2001:db8::1]:7000",
			       where);
	return 0;
}

/* Makes the kernel notice a peer that has ended without closing the connection. */
static void tune(int fd)
{
	static const struct {
		int level, name, value;
	} option[] = {{IPPROTO_TCP, TCP_NODELAY, 1},
		      {SOL_SOCKET, SO_KEEPALIVE, 1},
		      {IPPROTO_TCP, TCP_KEEPIDLE, SILENT_S / 2},
		      {IPPROTO_TCP, TCP_KEEPINTVL, SILENT_S / 4},
		      {IPPROTO_TCP, TCP_KEEPCNT, 2},
		      {IPPROTO_TCP, TCP_USER_TIMEOUT, SILENT_S * 1000}};

	for (size_t i = 0; i < sizeof(option) / sizeof(option[0]); i++)
		(void)setsockopt(fd, option[i].level, option[i].name, &option[i].value,
				 sizeof(option[i].value));
}

static int open_socket(const char *where, union address *a, socklen_t *len, struct err *e)
{
	int rc = find_address(where, a, len, e);
	int fd;

	if (rc < 0)
		return rc;
	fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(e, errno, "make a socket for %s", where);
	return fd;
}

static int connect_to(struct link *l, const char *where, struct err *e)
{
	union address a;
	socklen_t len;
	int fd = open_socket(where, &a, &len, e);

	*l = (struct link){.in = -1, .out = -1};
	if (fd < 0)
		return fd;
	if (connect(fd, &a.any, len) < 0) {
		int rc = err_sys(e, errno, "connect to %s", where);

		(void)close(fd);
		return rc;
	}
	if (a.any.sa_family != AF_UNIX)
		tune(fd);
	l->in = l->out = fd;
	return 0;
}

int link_tcp(struct link *l, const char *where, struct err *e)
{
	if (strchr(where, '/'))
		return err_set(e, EINVAL, "\"%s\" is a path: use --unix", where);
	return connect_to(l, where, e);
}

int link_unix(struct link *l, const char *path, struct err *e)
{
	if (!strchr(path, '/'))
		return err_set(e, EINVAL, "\"%s\": give a path with a slash", path);
	return connect_to(l, path, e);
}

/* Removes the socket of a killed receive. Connecting with a datagram socket fails with another
 * error if a process listens, and that process does not notice it. */
static void take_over(const union address *a, socklen_t len)
{
	const char *path = a->un.sun_path;
	struct stat st;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	if (connect(fd, &a->any, len) < 0 && errno == ECONNREFUSED && lstat(path, &st) == 0 &&
	    S_ISSOCK(st.st_mode))
		(void)unlink(path);
	(void)close(fd);
}

int link_listen(struct link *l, const char *where, struct err *e)
{
	union address a;
	socklen_t len;
	int fd = open_socket(where, &a, &len, e);
	bool path = fd >= 0 && a.any.sa_family == AF_UNIX;
	mode_t mask = path ? umask(0177) : 0;
	const int yes = 1;
	int rc = 0;

	*l = (struct link){.in = -1, .out = -1};
	if (fd < 0)
		return fd;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (path)
		take_over(&a, len);
	if (bind(fd, &a.any, len) < 0 || listen(fd, 1) < 0)
		rc = err_sys(e, errno, "listen on %s", where);
	if (path)
		(void)umask(mask);
	while (rc == 0 && l->in < 0) {
		l->in = l->out = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (l->in < 0 && errno != EINTR)
			rc = err_sys(e, errno, "accept a connection on %s", where);
	}
	if (path && l->in >= 0)
		(void)unlink(where);
	(void)close(fd);
	if (rc == 0 && !path)
		tune(l->in);
	return rc;
}

/* --- whatever it is --- */

int link_std(struct link *l, struct err *e)
{
	*l = (struct link){.in = -1, .out = -1};
	if (isatty(STDIN_FILENO) || isatty(STDOUT_FILENO))
		return err_set(e, EINVAL,
			       "standard input and output must be the stream of a \"chaos "
			       "migrate\"; or use --listen");
	l->in = dup(STDIN_FILENO);
	l->out = dup(STDOUT_FILENO);
	if (l->in >= 0 && l->out >= 0)
		return 0;
	(void)link_close(l);
	return err_set(e, EBADF, "standard input or output is closed");
}

int link_close(struct link *l)
{
	int status = 0;

	if (l->in >= 0)
		(void)close(l->in);
	if (l->out >= 0 && l->out != l->in)
		(void)close(l->out);
	if (l->child > 0)
		status = end_child(l->child);
	*l = (struct link){.in = -1, .out = -1};
	return status;
}
