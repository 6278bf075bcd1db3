/* SPDX-License-Identifier: BSD-3-Clause */
/* libdom's whole interface: images, and domains built from them in three phases. */
#ifndef CHAOS_LIBDOM_H
#define CHAOS_LIBDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/xen.h"

/*
 * libdom knows no device, no socket and no configuration file. It is silent (no logging) and keeps
 * no state but what is the same for all guests of the host (pvh.c). Two builders stand behind one
 * interface: our own for small ELF64 images with Xen notes, and libxenguest for Linux kernels; the
 * image decides (image_info()->builder).
 */

enum dom_type { DOM_PV, DOM_PVH };

/* "pv" or "pvh". */
const char *dom_type_name(enum dom_type type);

/* --- images --------------------------------------------------------------------------------------
 */

enum image_builder {
	IMAGE_OWN,   /* ELF64 with Xen notes, started by our builder */
	IMAGE_LINUX, /* a Linux bzImage or vmlinux, started by libxenguest */
};

struct image; /* parsed and checked, immutable, reference counted; not tied to a domain */

struct image_info {
	enum image_builder builder;
	bool pv, pvh;	     /* container types it can start in */
	bool noxs;	     /* has a noxs note whose ABI range covers ours: gets a device page */
	bool direct;	     /* ... and a direct 64-bit entry */
	bool gate;	     /* ... and can wait at a gate (NOXS_NOTE_GATE) */
	uint64_t virt_base;  /* XEN_ELFNOTE_VIRT_BASE */
	uint64_t start, end; /* guest-physical bytes it occupies, end exclusive; 0,0 for Linux */
	uint64_t bytes;	     /* it takes in this process */
	struct stat file;    /* as it was before it was read */
	char guest_os[32];   /* XEN_ELFNOTE_GUEST_OS, printable, may be empty */
	char name[256];	     /* for messages: what the caller called it */
};

/*
 * Reads and checks the image behind `fd` (any position; the fd stays the caller's and is not needed
 * afterwards). `name` is for messages. Images are untrusted: everything is bounds-checked.
 * `cache_dir` is where unpacked Linux kernels are kept, named by content, or NULL for no cache;
 * unpacking happens in a confined child. Errors a person understands:
 * -ENOEXEC not an ELF or bzImage, no Xen notes, 32-bit PV, ...; -EINVAL segment outside memory;
 * -E2BIG larger than IMAGE_MAX_BYTES.
 */
#define IMAGE_MAX_BYTES (512ull << 20)
int image_open(int fd, const char *name, const char *cache_dir, struct image **out, struct err *e);
/* The cache is within both limits: what was used longest ago goes. A kernel that is larger than all
 * of it is not kept. */
#define IMAGE_CACHE_FILES 16u
#define IMAGE_CACHE_BYTES (512ull << 20)
/* At the start of the only user of the cache: what an unpacking left that did not end goes, and
 * what is too much. */
void image_cache_tidy(const char *cache_dir);
/* SHA-256 of a file, in hex. */
int image_digest(int fd, char hex[65], struct err *e);
/* What each image begins with. */
struct image_head {
	struct image_info info;
	uint32_t refs; /* atomic: threads hold references */
};

static inline const struct image_info *image_info(const struct image *img)
{
	return &((const struct image_head *)(const void *)img)->info;
}

static inline struct image *image_ref(struct image *img)
{
	(void)__atomic_add_fetch(&((struct image_head *)(void *)img)->refs, 1, __ATOMIC_RELAXED);
	return img;
}

void image_free(struct image *img);		/* for image_put() alone */
static inline void image_put(struct image *img) /* NULL is fine */
{
	if (img &&
	    __atomic_sub_fetch(&((struct image_head *)(void *)img)->refs, 1, __ATOMIC_ACQ_REL) == 0)
		image_free(img);
}

/* How many pages of a shell for Linux dom_window() should keep mapped for it; 0 for other images.
 */
uint32_t image_window_pages(const struct image *img);

/* What a domain of `type` needs at the least to start this image with so many bytes of modules, in
 * KiB. */
uint64_t image_min_kib(const struct image *img, enum dom_type type, uint32_t vcpus,
		       uint64_t module_bytes);

/* --- domains -------------------------------------------------------------------------------------
 */

/* Which physical CPUs may run a domain's vCPUs: bitmaps side by side, bit n = pCPU n. */
struct dom_cpus {
	uint8_t *map;	/* NULL: all may run all */
	uint32_t bytes; /* of one bitmap */
	uint32_t n;	/* 0: there is one, for every vCPU; else the first n vCPUs have one each */
};

/* Of all its bitmaps. */
static inline size_t dom_cpus_bytes(const struct dom_cpus *c)
{
	return c->map ? (size_t)c->bytes * (c->n ? c->n : 1) : 0;
}

/* How much of Xen's tables a domain may use. What is not asked for is chosen by the kind of image:
 * one with a noxs note gets little (4 grant frames, no maptrack frames, grant version 1, ports up
 * to 127), any other what xl gives (this Xen's own limits, the host's highest grant version, ports
 * up to 1023). */
struct dom_limits {
	uint32_t asked;		  /* DOM_LIMIT_*: those below that count */
	uint32_t grant_frames;	  /* 1 and more; Xen refuses more than it was booted with */
	uint32_t maptrack_frames; /* 0 and more; likewise */
	uint32_t grant_version;	  /* 1 or 2 */
	uint32_t evtchn_port;	  /* the highest port, 1..DOM_EVTCHN_PORT_MAX */
};
#define DOM_LIMIT_GRANT_FRAMES	  1u
#define DOM_LIMIT_MAPTRACK_FRAMES 2u
#define DOM_LIMIT_GRANT_VERSION	  4u
#define DOM_LIMIT_EVTCHN_PORT	  8u
#define DOM_LIMITS		  15u	  /* all of them */
#define DOM_EVTCHN_PORT_MAX	  131071u /* of the FIFO ABI */
/* The highest port of a domain with these limits, its image with a noxs note or without. */
uint32_t dom_evtchn_port_max(const struct dom_limits *l, bool noxs);

struct dom_spec {
	enum dom_type type;
	uint32_t domid; /* wanted, or 0 */
	uint8_t uuid[16];
	uint64_t mem_kib;	  /* rounded up to whole pages */
	uint64_t maxmem_kib;	  /* >= mem_kib; 0 = mem_kib */
	uint32_t vcpus;		  /* 1..DOM_MAX_VCPUS */
	struct dom_limits limits; /* zeroed: all by the kind of image */
	uint32_t weight;	  /* 0 = scheduler's default */
	uint32_t cap;		  /* in % of one CPU; UINT32_MAX = leave */
	uint32_t ring_pages;	  /* for devices of guests with a noxs entry; <= DOM_RINGS_MAX */
	struct dom_cpus cpus;	  /* hard affinity; the caller's */
	bool for_linux; /* without an image: a shell for Linux kernels, not for noxs images */
	bool empty;	/* of Linux: save_restore() gives it its memory, so much as is saved */
};

#define DOM_WINDOW_MAX 16384u /* pages */
#define DOM_RINGS_MAX  24u
#define DOM_RING_GREF  8u /* ring page n is granted to dom0 by reference 8 + n */
#define DOM_MAX_VCPUS  128

/* What a person calls modules: the ramdisk is the first. Each fd stays the caller's. */
struct dom_module {
	int fd;
	const char *name; /* for messages */
};

struct dom_load {
	const char *cmdline; /* NUL-terminated; "" for none */
	const struct dom_module *module;
	uint32_t nmodule; /* the own builder: any number its layout fits; Linux: at most 1 */
	uint32_t
		cmdline_room; /* Linux: keep room for one of so many bytes, for dom_set_cmdline() */
	uint32_t console_port; /* guest-side event ports for guests that get their console (and */
	uint32_t store_port;   /* store) the standard way; store 0 = no store */
	/* dom_build(): makes these two when the domain is there; NULL: they need not be made */
	int (*ports)(void *arg, struct xen *x, uint32_t domid, struct dom_load *l, struct err *e);
	void *arg;
};

enum dom_phase {
	DOM_T_CREATE,
	DOM_T_VCPUS,
	DOM_T_MEMORY,
	DOM_T_TABLES,
	DOM_T_LOAD,
	DOM_T_CONTEXT,
	DOM_T_START,
	DOM_T_COUNT
};

/* "create", "vcpus", ... for people. */
const char *dom_phase_name(enum dom_phase p);

/* Where the pages of a PV guest with a noxs entry lie in the machine, in the order of its frames,
 * if they are few runs; its shared info and grant table. A save looks there before it walks page
 * tables. */
#define DOM_RUNS_MAX 16u
struct dom_frames {
	uint32_t n; /* 0, or more than DOM_RUNS_MAX: not known */
	uint32_t shared, grant[XEN_GRANT_FRAMES];
	struct dom_run {
		uint32_t mfn;
		int32_t pages; /* < 0: frames descend */
	} run[DOM_RUNS_MAX];
};

/*
 * A domain under construction or running. Zeroed by dom_init() and owned by the caller, which
 * embeds it; fields are for reading. One thread at a time.
 */
struct dom {
	uint32_t domid;	  /* 0 = none */
	uint8_t uuid[16]; /* which it carries: without it nothing is destroyed */
	enum dom_type type;
	uint32_t vcpus;
	uint64_t pages;	    /* of RAM, guest frames [0, pages) */
	uint64_t had_pages; /* of `pages`, a Linux that was restored had so many; 0: all */
	uint64_t max_pages; /* of its memory map; when more than `pages`, a balloon driver must keep
			     */
	/* it to those, and may let it grow. Images with a noxs note: as pages */
	uint64_t dev_gfn;     /* device page (noxs) or store page; valid after dom_prepare() for */
	uint64_t control_gfn; /* shells, else after dom_load() */
	uint64_t dev_frame;   /* the same two as xen_map() takes them: PV mfn, PVH gfn */
	uint64_t control_frame;
	uint64_t shared_info_gfn; /* as in struct noxs_page; 0 for Linux */
	uint64_t page_table_gfn, page_table_pages, image_end_gfn; /* likewise */
	/* Images with a noxs entry: vCPU 0 starts in the device page at its field `start`, where a
	 * jump to this virtual address is to be; 0 for others. */
	uint64_t entry;
	uint64_t
		cmdline_frame; /* Linux loaded with cmdline_room: as xen_map() takes it, PVH also */
	uint32_t cmdline_at, cmdline_room; /* the next one; offset in it, and room there */
	uint32_t console_port, store_port; /* save_restore() of Linux: set by the caller */
	uint8_t *window; /* dom_window(): so many frames from window_gfn on, or NULL */
	uint64_t window_gfn;
	uint64_t ring_gfn;		     /* first of the ring pages: empty rings */
	uint32_t ring_pages;		     /* none: 0 */
	uint32_t grant_frames;		     /* of the grant table, which the guest finds ... */
	uint64_t grant_gfn;		     /* ... mapped here */
	xen_pfn_t ring_frame[DOM_RINGS_MAX]; /* the ring pages as xen_map() takes them */
	uint32_t window_pages;
	uint32_t
		window_tables; /* behind them those of PVH from page_table_gfn on are mapped, too */
	/* The control page, where the caller has mapped it; NULL: it has not. Until dom_release().
	 */
	uint8_t *control;
	uint8_t *tables; /* PV, of dom_template_back(): page tables, mapped read-only; NULL: not */
	struct dom_frames frames;
	uint32_t phase_ns[DOM_T_COUNT]; /* what each step took */
	struct dom_build *build;	/* libdom's own: p2m of PV, layout, mappings kept */
};

static inline void dom_init(struct dom *d)
{
	memset(d, 0, sizeof(*d));
}

/*
 * PREPARE: creates the domain paused, gives it vCPUs and memory, scheduling and all that needs no
 * image; vCPU state, too, when it will start by a noxs entry. `img` NULL makes a shell: any noxs
 * image of this type with a direct entry and VIRT_BASE 0 can be loaded into it, or with
 * spec->for_linux any Linux kernel. On failure nothing is left. -ENOMEM names how much is free;
 * -EINVAL when memory is less than the image needs (and says how much); -EOPNOTSUPP when the host
 * or image cannot do this type.
 */
int dom_prepare(struct xen *x, const struct dom_spec *spec, const struct image *img, struct dom *d,
		struct err *e);

/* Weight, cap and affinity of an existing domain, out of the spec: part of dom_prepare(), and what
 * a shell gets when it is claimed. */
int dom_schedule(struct xen *x, const struct dom *d, const struct dom_spec *spec, struct err *e);

/*
 * LOAD: puts image, modules and command line into a prepared domain. After it dev_frame and
 * control_frame may be mapped and written. The image must be the one prepared for, if one was
 * given. Those with a noxs entry, and Linux, are ready to run then, and d->build is NULL. On
 * failure the domain stays and must go through dom_destroy().
 */
int dom_load(struct xen *x, struct dom *d, const struct image *img, const struct dom_load *l,
	     struct err *e);

/* Both, for an image that is known. On failure nothing is left. */
int dom_build(struct xen *x, const struct dom_spec *spec, const struct image *img,
	      struct dom_load *l, struct dom *d, struct err *e);

/* Keeps those of a prepared shell's pages mapped where images are loaded, at most `pages` of them,
 * so that dom_load() copies and no more; it stays mapped until dom_window_close(), at the latest
 * dom_destroy(). (Not for Linux in a PV container: dom_load() unmaps it.) Unmapping takes 3 us a
 * page. */
int dom_window(struct xen *x, struct dom *d, uint32_t pages, struct err *e);
void dom_window_close(struct xen *x, struct dom *d);
/* What is mapped of `from`, window and tables, is that of `to`, which had none. */
void dom_window_move(struct dom *to, struct dom *from);

/* Gives a loaded Linux, which does not run yet, another command line. -E2BIG: no room for it. */
int dom_set_cmdline(struct xen *x, const struct dom *d, const char *cmdline, struct err *e);

/* START, first half: one xen_domain_unpause() runs it afterwards. Sets the vCPU state of an image
 * with the standard entry. Frees d->build; of others dom_load() has freed it, and nothing is to be
 * done. */
int dom_arm(struct xen *x, struct dom *d, const struct image *img, struct err *e);

/* Frees what libdom holds in this process for the domain (mappings, tables), and nothing in Xen.
 * The running domain needs none of it. */
void dom_release(struct dom *d);

/* dom_release(), then destroys the domain in Xen. The caller has unmapped its own mappings and
 * unbound its ports. Success when it is gone, or its id another domain's, which is left alone.
 * Synchronous; linear in memory. */
int dom_destroy(struct xen *x, struct dom *d, struct err *e);

#endif
