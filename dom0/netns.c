/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests over rtnetlink in other network namespaces. */
#include "dom0/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/if_ether.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <netlink/attr.h>

#include "dom0/link_ask.h"

#define OUR_PRIO 0xc405u /* priority of the filters: one that others do not choose */

/* --- a socket there --- */

struct visit {
	struct netns *n;
	struct err *e;
	int rc;
};

/* A socket stays in the namespace where it was made. A separate thread enters the namespace,
 * makes it, and ends. */
static void *visit(void *arg)
{
	struct visit *v = arg;

	if (setns(v->n->fd, CLONE_NEWNET) < 0)
		v->rc = err_sys(v->e, errno, "enter the network namespace");
	else
		v->rc = link_open(&v->n->link, v->e);
	return NULL;
}

static int open_link(struct netns *n, struct err *e)
{
	struct visit v = {.n = n, .e = e};
	pthread_t t;
	int rc = pthread_create(&t, NULL, visit, &v);

	if (rc != 0)
		return err_sys(e, rc, "start a thread for the network namespace");
	(void)pthread_join(t, NULL);
	return v.rc;
}

/* Found with O_PATH and checked first, so that no device or pipe is opened. A symbolic link at
 * the end of the path is followed, because those in /proc are links. */
static int open_path(const char *path, struct err *e)
{
	int at = open(path, O_PATH | O_CLOEXEC);
	struct statfs fs = {0};
	char again[32];
	int fd = -1;

	if (at < 0)
		return err_sys(e, errno, "find the network namespace \"%s\"", path);
	if (fstatfs(at, &fs) == 0 && fs.f_type == NSFS_MAGIC) {
		(void)snprintf(again, sizeof(again), "/proc/self/fd/%d", at);
		fd = open(again, O_RDONLY | O_CLOEXEC);
		if (fd < 0) {
			(void)close(at);
			return err_sys(e, errno, "open the network namespace \"%s\"", path);
		}
	}
	(void)close(at);
	if (fd >= 0 && ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return err_set(e, EINVAL, "\"%s\" is not a network namespace", path);
}

int netns_open(struct netns *n, const char *path, struct err *e)
{
	struct stat st;
	int rc;

	*n = (struct netns){.fd = open_path(path, e)};
	if (n->fd < 0)
		return n->fd;
	rc = fstat(n->fd, &st) < 0 ? err_sys(e, errno, "examine the network namespace \"%s\"", path)
				   : 0;
	if (rc == 0) {
		n->inode = st.st_ino;
		rc = open_link(n, e);
	}
	if (rc < 0)
		netns_close(n);
	return rc;
}

void netns_close(struct netns *n)
{
	link_close(n->link);
	if (n->fd >= 0)
		(void)close(n->fd);
	*n = (struct netns){.fd = -1};
}

/* --- interfaces --- */

static int said(const struct link *l, int rc, const char *what, struct err *e)
{
	return rc < 0 ? err_set(e, -rc, "%s: %s", what, link_why(l, rc)) : 0;
}

static int no_memory(struct nl_msg *m, struct err *e)
{
	nlmsg_free(m);
	return err_set(e, ENOMEM, "out of memory");
}

int netns_take(struct netns *n, struct link *from, int ifindex, struct err *e)
{
	struct ifinfomsg i = {.ifi_family = AF_UNSPEC, .ifi_index = ifindex};
	struct nl_msg *m = link_request(from, RTM_NEWLINK, NLM_F_ACK, &i, sizeof(i));
	struct nlmsghdr *h;

	if (!m || nla_put_u32(m, IFLA_NET_NS_FD, (uint32_t)n->fd) < 0)
		return no_memory(m, e);
	return said(from, link_ask(from, m, 0, &h), "move into the network namespace", e);
}

/* --- tc --- */

/* Adds the qdisc for incoming packets: 1 if there was none. An existing one may have filters of
 * others. */
static int put_qdisc(struct netns *n, int ifindex, struct err *e)
{
	struct tcmsg t = {.tcm_family = AF_UNSPEC,
			  .tcm_ifindex = ifindex,
			  .tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0),
			  .tcm_parent = TC_H_CLSACT};
	struct nl_msg *m = link_request(n->link, RTM_NEWQDISC,
					NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &t, sizeof(t));
	struct nlmsghdr *h;
	int rc;

	if (!m || nla_put_string(m, TCA_KIND, "clsact") < 0)
		return no_memory(m, e);
	rc = link_ask(n->link, m, 0, &h);
	if (rc == 0)
		return 1;
	return rc == -EEXIST ? 0 : said(n->link, rc, "qdisc clsact (sch_ingress)", e);
}

static struct tcmsg our_filter(int ifindex)
{
	return (struct tcmsg){.tcm_family = AF_UNSPEC,
			      .tcm_ifindex = ifindex,
			      .tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
			      .tcm_info = TC_H_MAKE(OUR_PRIO << 16, htons(ETH_P_ALL))};
}

static void drop(struct netns *n, int type, const struct tcmsg *t)
{
	struct nl_msg *m = link_request(n->link, type, NLM_F_ACK, t, sizeof(*t));
	struct nlmsghdr *h;

	if (m)
		(void)link_ask(n->link, m, 0, &h);
}

void netns_part(struct netns *n, int ifindex, bool made)
{
	struct tcmsg t = our_filter(ifindex);

	drop(n, RTM_DELTFILTER, &t);
	if (!made)
		return;
	t = (struct tcmsg){.tcm_family = AF_UNSPEC,
			   .tcm_ifindex = ifindex,
			   .tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0),
			   .tcm_parent = TC_H_CLSACT};
	drop(n, RTM_DELQDISC, &t);
}

static bool put_redirect(struct nl_msg *m, int to)
{
	struct tc_mirred what = {
		.action = TC_ACT_STOLEN, .eaction = TCA_EGRESS_REDIR, .ifindex = (uint32_t)to};
	struct nlattr *options;
	struct nlattr *actions;
	struct nlattr *action;
	struct nlattr *inner;

	if (nla_put_string(m, TCA_KIND, "matchall") < 0 ||
	    !(options = nla_nest_start(m, TCA_OPTIONS)) ||
	    !(actions = nla_nest_start(m, TCA_MATCHALL_ACT)) || !(action = nla_nest_start(m, 1)) ||
	    nla_put_string(m, TCA_ACT_KIND, "mirred") < 0 ||
	    !(inner = nla_nest_start(m, TCA_ACT_OPTIONS)) ||
	    nla_put(m, TCA_MIRRED_PARMS, sizeof(what), &what) < 0)
		return false;
	(void)nla_nest_end(m, inner);
	(void)nla_nest_end(m, action);
	(void)nla_nest_end(m, actions);
	(void)nla_nest_end(m, options);
	return true;
}

/* 1: `from` had no qdisc for filters before. */
static int redirect(struct netns *n, int from, int to, struct err *e)
{
	struct tcmsg t = our_filter(from);
	struct nlmsghdr *h;
	struct nl_msg *m;
	int made = put_qdisc(n, from, e);
	int rc;

	if (made < 0)
		return made;
	if (!made) /* perhaps a filter to an interface that does not exist any more */
		drop(n, RTM_DELTFILTER, &t);
	m = link_request(n->link, RTM_NEWTFILTER, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &t,
			 sizeof(t));
	if (!m || !put_redirect(m, to))
		return no_memory(m, e);
	rc = said(n->link, link_ask(n->link, m, 0, &h),
		  "redirect packets (cls_matchall, act_mirred)", e);
	return rc < 0 ? rc : made;
}

int netns_join(struct netns *n, int a, int b, bool *made, struct err *e)
{
	int rc = redirect(n, a, b, e);

	if (rc >= 0)
		rc = redirect(n, b, a, e);
	*made = rc > 0;
	return rc < 0 ? rc : 0;
}
