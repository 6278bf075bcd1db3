/* SPDX-License-Identifier: BSD-3-Clause */
/* A pty, and its way to the engine. */
#include "oci/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "base/unix.h"

static int send_master(const char *path, int master, struct err *e)
{
	static const char name[] = "/dev/ptmx";
	int s = unix_connect(path, SOCK_STREAM, 0);
	int rc = s;

	if (s >= 0) {
		rc = unix_send(s, name, sizeof(name) - 1, &master, 1, 0);
		(void)close(s);
	}
	return rc < 0 ? err_sys(e, -rc, "--console-socket \"%s\"", path) : 0;
}

/* The guest has a line discipline of its own. */
static void make_raw(int fd, bool is_cooked)
{
	struct termios t;

	if (tcgetattr(fd, &t) < 0)
		return;
	cfmakeraw(&t);
	if (!is_cooked)
		t.c_oflag |= OPOST | ONLCR;
	(void)tcsetattr(fd, TCSANOW, &t);
}

/* "consoleSize" of a process; none: as it is. */
static void set_size(int fd, const json_t *process)
{
	const json_t *size = json_object_get(process, "consoleSize");
	json_int_t rows = json_integer_value(json_object_get(size, "height"));
	json_int_t columns = json_integer_value(json_object_get(size, "width"));
	struct winsize w = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};

	if (rows > 0 && rows < 65536 && columns > 0 && columns < 65536)
		(void)ioctl(fd, TIOCSWINSZ, &w);
}

int terminal_open(const char *console_socket, bool is_cooked, const json_t *process, struct err *e)
{
	char path[64];
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	int slave = -1;
	int rc;

	if (master < 0)
		return err_sys(e, errno, "make a terminal");
	if (grantpt(master) < 0 || unlockpt(master) < 0 ||
	    ptsname_r(master, path, sizeof(path)) != 0)
		rc = err_sys(e, errno, "make a terminal");
	else if ((slave = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)) < 0)
		rc = err_sys(e, errno, "open terminal %s", path);
	else
		rc = send_master(console_socket, master, e);
	(void)close(master);
	if (rc < 0) {
		if (slave >= 0)
			(void)close(slave);
		return rc;
	}
	make_raw(slave, is_cooked);
	set_size(slave, process);
	(void)ioctl(slave, TIOCSCTTY, 0);
	return slave;
}
