/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#define NOBODY 65534

void confine_limit(int resource, rlim_t to)
{
	struct rlimit l = {to, to};

	(void)setrlimit(resource, &l);
}

void confine_memory(uint64_t bytes)
{
	char text[64] = "";
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;

	if (fd >= 0)
		(void)close(fd);
	if (n > 0)
		confine_limit(RLIMIT_AS,
			      strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) + bytes);
}

void confine_die_first(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, "1000", 4) < 0)
		errno = 0; /* unusual, and no reason to fail */
	(void)close(fd);
}

int confine_to_nobody(void)
{
	confine_limit(RLIMIT_CORE, 0);
	if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
			       setresuid(NOBODY, NOBODY, NOBODY) < 0))
		return -EPERM;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of user would clear it */
	(void)prctl(PR_SET_DUMPABLE, 0);
	return 0;
}
