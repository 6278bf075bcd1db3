/* SPDX-License-Identifier: BSD-3-Clause */
/* The test guest's disks: patterns written, flushed, and found again. */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "xfer.h"

#define STEP (1u << 20)

static void write_pattern(const char *device, int fd, uint64_t mib, uint64_t seed, void *buf)
{
	for (uint64_t at = 0; at < mib; at++) {
		pattern_fill(buf, STEP / 8, at * (STEP / 8), seed);
		if (write(fd, buf, STEP) != STEP) {
			say("write %s at %llu MiB: %s", device, (unsigned long long)at,
			    strerror(errno));
			return;
		}
	}
	if (fsync(fd))
		say("fsync %s: %s", device, strerror(errno));
	else
		say("wrote %s %llu MiB seed %llu", device, (unsigned long long)mib,
		    (unsigned long long)seed);
}

/* quiet: a wrong word is no news. */
static bool verify_pattern(const char *device, int fd, uint64_t mib, uint64_t seed, void *buf,
			   bool quiet)
{
	for (uint64_t at = 0; at < mib; at++) {
		size_t good;

		if (read(fd, buf, STEP) != STEP) {
			say("read %s at %llu MiB: %s", device, (unsigned long long)at,
			    strerror(errno));
			return true;
		}
		good = pattern_check(buf, STEP / 8, at * (STEP / 8), seed);
		if (good != STEP / 8) {
			if (!quiet)
				say("%s is WRONG at byte %llu", device,
				    (unsigned long long)at * STEP + (unsigned long long)good * 8);
			return false;
		}
	}
	say("verified %s %llu MiB seed %llu", device, (unsigned long long)mib,
	    (unsigned long long)seed);
	return true;
}

static void read_only(const char *device)
{
	int fd = open(device, O_RDONLY | O_CLOEXEC);
	int flag = -1;

	if (fd < 0 || ioctl(fd, BLKROGET, &flag))
		say("%s: %s", device, strerror(errno));
	else
		say("%s is %s", device, flag ? "read-only" : "writable");
	if (fd >= 0)
		close(fd);
}

static void count(const char *device, int fd, uint64_t *block)
{
	for (uint64_t n = 1;; n++) {
		memset(block, 0, 4096);
		block[0] = n;
		if (pwrite(fd, block, 4096, 0) != 4096 || fsync(fd))
			say("count: write %s: %s", device, strerror(errno));
		block[0] = 0;
		if (pread(fd, block, 4096, 0) != 4096)
			say("count: read %s: %s", device, strerror(errno));
		else if (block[0] != n)
			say("count: %s is WRONG: %llu, not %llu", device,
			    (unsigned long long)block[0], (unsigned long long)n);
		else if (n % 10 == 0)
			say("count %llu", (unsigned long long)n);
		(void)usleep(20000);
	}
}

void disk_count(const char *device)
{
	void *block = NULL;
	int fd = appears(device) ? open(device, O_RDWR | O_DIRECT | O_CLOEXEC) : -1;

	if (fd < 0 || posix_memalign(&block, 4096, 4096))
		say("open %s: %s", device, strerror(errno));
	else if (fork() == 0)
		count(device, fd, block);
	free(block);
	if (fd >= 0)
		close(fd);
}

void disk_do(const char *way, char *what)
{
	const char *device = strsep(&what, ":"), *mib = strsep(&what, ":");
	uint64_t n = mib ? strtoull(mib, NULL, 10) : 1, seed = what ? strtoull(what, NULL, 10) : 1;
	bool keep = !strcmp(way, "keep"), writes = keep || !strcmp(way, "write");
	void *buf = NULL;
	int fd;

	if (!appears(device))
		return;
	if (!strcmp(way, "ro")) {
		read_only(device);
		return;
	}
	/* past the page cache: what is read comes from the backend */
	fd = open(device, (writes ? O_RDWR : O_RDONLY) | O_DIRECT | O_CLOEXEC);
	if (fd < 0 || posix_memalign(&buf, 4096, STEP)) {
		say("open %s: %s", device, strerror(errno));
	} else if (!writes) {
		(void)verify_pattern(device, fd, n, seed, buf, false);
	} else if (!keep || !verify_pattern(device, fd, n, seed, buf, true)) {
		(void)lseek(fd, 0, SEEK_SET);
		write_pattern(device, fd, n, seed, buf);
	}
	free(buf);
	if (fd >= 0)
		close(fd);
}
