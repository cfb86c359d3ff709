/** What somebody is told who is no admin. */
export function NotForYou() {
  return (
    <section className="absence denied" data-absence="denied" role="status">
      <h2>This page is for admins</h2>
      <p>
        Who runs Foretop names their groups in <code>access.adminGroups</code>.
      </p>
    </section>
  );
}
